//! Documents as text, written so that reading the text gives them again. Pure. Nothing in a document is a secret.

use std::collections::BTreeMap;

use toml::{Table, Value};

use super::document::{
    Chain, Comparison, Condition, Connection, Dataset, Deletes, Destination, FieldMap, Filter, Formula,
    Function, Job, Join, Literal, Lookup, Merge, Missed, OnEmpty, OnFailure, OnMany, OnNone, Operand,
    Operation, Rule, Schedule, Transform, When,
};
use super::expression::Expression;

/// As TOML.
pub fn toml(connections: &[Connection], jobs: &[Job], chains: &[Chain]) -> String {
    let parts = parts(connections, jobs, chains);
    // One part after the other: sorted, chains would come before their jobs.
    let texts = parts.into_iter().filter(|(_, documents)| !documents.is_empty()).map(|(kind, documents)| {
        let table = Table::from_iter([(kind.to_owned(), Value::Table(documents))]);
        // It fails for what a table does not hold.
        toml::to_string(&table).unwrap_or_default()
    });
    texts.collect::<Vec<_>>().join("\n")
}

/// As JSON.
pub fn json(connections: &[Connection], jobs: &[Job], chains: &[Chain]) -> String {
    let parts = parts(connections, jobs, chains);
    let whole: BTreeMap<&str, Table> =
        parts.into_iter().filter(|(_, documents)| !documents.is_empty()).collect();
    serde_json::to_string_pretty(&whole).unwrap_or_default()
}

/// A connection, a job or a chain alone, as `show` has it.
pub fn connection(connection: &Connection) -> Table {
    let mut table = Table::new();
    put(&mut table, "tenant", connection.tenant.as_str());
    put(&mut table, "connector", connection.connector.word());
    put(&mut table, "name", connection.name.as_str());
    if !connection.settings.is_empty() {
        put(&mut table, "settings", connection.settings.clone());
    }
    table
}

/// A job alone.
pub fn job(job: &Job) -> Table {
    let mut table = Table::new();
    put(&mut table, "tenant", job.tenant.as_str());
    put(&mut table, "connection", job.connection.as_str());
    put(&mut table, "name", job.name.as_str());
    put(&mut table, "enabled", job.enabled);
    put(&mut table, "datasets", named(job.datasets.iter().map(|(name, each)| (name, dataset(each)))));
    if !job.merges.is_empty() {
        put(&mut table, "merges", named(job.merges.iter().map(|(name, each)| (name, merge(each)))));
    }
    if !job.transforms.is_empty() {
        put(&mut table, "transforms", list(job.transforms.iter().map(transform)));
    }
    put(&mut table, "destination", destination(&job.destination));
    for (key, when) in [("schedule", &job.schedule), ("refresh", &job.refresh)] {
        if let Some(when) = when {
            put(&mut table, key, schedule(when));
        }
    }
    table
}

/// A chain alone.
pub fn chain(chain: &Chain) -> Table {
    let mut table = Table::new();
    put(&mut table, "tenant", chain.tenant.as_str());
    put(&mut table, "jobs", list(chain.jobs.iter().map(String::as_str)));
    put(
        &mut table,
        "on_failure",
        match chain.on_failure {
            OnFailure::Stop => "stop",
            OnFailure::Continue => "continue",
        },
    );
    if let Some(when) = &chain.schedule {
        put(&mut table, "schedule", schedule(when));
    }
    table
}

fn parts(connections: &[Connection], jobs: &[Job], chains: &[Chain]) -> [(&'static str, Table); 3] {
    [
        ("connections", named(connections.iter().map(|each| (&each.id, connection(each))))),
        ("jobs", named(jobs.iter().map(|each| (&each.id, job(each))))),
        ("chains", named(chains.iter().map(|each| (&each.id, chain(each))))),
    ]
}

fn put(table: &mut Table, key: &str, value: impl Into<Value>) {
    table.insert(key.to_owned(), value.into());
}

fn named<'n>(tables: impl Iterator<Item = (&'n String, Table)>) -> Table {
    tables.map(|(name, table)| (name.clone(), Value::Table(table))).collect()
}

fn list<T: Into<Value>>(items: impl Iterator<Item = T>) -> Value {
    Value::Array(items.map(Into::into).collect())
}

fn dataset(dataset: &Dataset) -> Table {
    let mut table = Table::new();
    put(&mut table, "object", dataset.object.as_str());
    put(&mut table, "fields", list(dataset.fields.iter().map(String::as_str)));
    dataset.filter.iter().for_each(|each| filter(&mut table, each));
    table
}

fn filter(table: &mut Table, filter: &Filter) {
    if filter.expression != Expression::all(&filter.conditions.keys().copied().collect()) {
        put(table, "where", filter.expression.sql(&|letter| letter.to_string()));
    }
    let conditions =
        filter.conditions.iter().map(|(letter, each)| (letter.to_string(), condition(each).into()));
    put(table, "conditions", conditions.collect::<Table>());
}

fn condition(condition: &Condition) -> Table {
    let mut table = Table::new();
    put(&mut table, "field", condition.field.as_str());
    let word = Comparison::WORDS.iter().find(|(_, is)| *is == condition.is);
    put(&mut table, "is", word.map_or("", |(word, _)| word));
    match (condition.is, condition.values.as_slice()) {
        (Comparison::IsNull | Comparison::IsNotNull, _) => {}
        (Comparison::In | Comparison::NotIn | Comparison::Between, values) => {
            put(&mut table, "value", list(values.iter().map(literal)));
        }
        (_, values) => values.iter().for_each(|value| put(&mut table, "value", literal(value))),
    }
    table
}

fn literal(literal: &Literal) -> Value {
    match literal {
        Literal::Text(text) => Value::String(text.clone()),
        Literal::Boolean(flag) => Value::Boolean(*flag),
        Literal::Number(number) => match (number.parse(), number.parse()) {
            (Ok(whole), _) => Value::Integer(whole),
            (Err(_), Ok(float)) => Value::Float(float),
            (Err(_), Err(_)) => Value::String(number.clone()),
        },
    }
}

fn merge(merge: &Merge) -> Table {
    let mut table = Table::new();
    put(&mut table, "left", merge.left.as_str());
    put(&mut table, "right", merge.right.as_str());
    put(
        &mut table,
        "join",
        match merge.join {
            Join::Inner => "inner",
            Join::Left => "left",
            Join::Right => "right",
            Join::Outer => "outer",
        },
    );
    put(&mut table, "on", pairs(&merge.on));
    let fields = merge.fields.iter();
    let fields = fields.map(|(name, (side, field))| (name.clone(), Value::String(format!("{side}.{field}"))));
    put(&mut table, "fields", fields.collect::<Table>());
    table
}

fn pairs(pairs: &[(String, String)]) -> Value {
    list(pairs.iter().map(|(left, right)| vec![left.as_str(), right.as_str()]))
}

fn transform(transform: &Transform) -> Table {
    let mut table = Table::new();
    put(&mut table, "dataset", transform.dataset.as_str());
    put(&mut table, "field", transform.field.as_str());
    match &transform.rule {
        Rule::Formula(each) => put(&mut table, "formula", formula(each)),
        Rule::Cases { cases, otherwise } => {
            let cases = cases.iter().map(|case| {
                let mut table = Table::new();
                filter(&mut table, &case.filter);
                put(&mut table, "then", operand(&case.then));
                table
            });
            put(&mut table, "cases", list(cases));
            otherwise.iter().for_each(|each| put(&mut table, "else", operand(each)));
        }
    }
    table
}

fn formula(formula: &Formula) -> Table {
    let mut table = Table::new();
    let word = Function::WORDS.iter().find(|(_, function, ..)| *function == formula.function);
    put(&mut table, "fn", word.map_or("", |(word, ..)| word));
    put(&mut table, "args", list(formula.args.iter().map(operand)));
    table
}

fn operand(operand: &Operand) -> Value {
    match operand {
        Operand::Value(value) => literal(value),
        Operand::Field(field) => {
            Value::Table(Table::from_iter([("field".to_owned(), field.as_str().into())]))
        }
        Operand::Formula(each) => Value::Table(formula(each)),
    }
}

fn destination(destination: &Destination) -> Table {
    let mut table = Table::new();
    put(&mut table, "dataset", destination.dataset.as_str());
    put(&mut table, "object", destination.object.as_str());
    put(
        &mut table,
        "operation",
        match destination.operation {
            Operation::Upsert => "upsert",
            Operation::Insert => "insert",
            Operation::Update => "update",
        },
    );
    put(&mut table, "external_id", destination.external_id.as_str());
    put(
        &mut table,
        "deletes",
        match destination.deletes {
            Deletes::Ignore => "ignore",
            Deletes::Mark => "mark",
        },
    );
    if !destination.fields.is_empty() {
        put(&mut table, "fields", named(destination.fields.iter().map(|(name, map)| (name, field_map(map)))));
    }
    if !destination.lookups.is_empty() {
        put(&mut table, "lookups", list(destination.lookups.iter().map(lookup)));
    }
    table
}

/// What an empty value does is always said: another connection of the job would mean something else by silence.
fn field_map(map: &FieldMap) -> Table {
    let mut table = Table::new();
    put(&mut table, "from", map.from.as_str());
    let word = match &map.on_empty {
        OnEmpty::Keep => "keep",
        OnEmpty::Clear => "clear",
        OnEmpty::Default(value) => {
            put(&mut table, "default", literal(value));
            "default"
        }
    };
    put(&mut table, "on_empty", word);
    table
}

fn lookup(lookup: &Lookup) -> Table {
    let mut table = Table::new();
    put(&mut table, "field", lookup.field.as_str());
    put(&mut table, "object", lookup.object.as_str());
    put(&mut table, "match", pairs(&lookup.pairs));
    put(
        &mut table,
        "on_many",
        match lookup.on_many {
            OnMany::Any => "any",
            OnMany::Reject => "reject",
        },
    );
    put(
        &mut table,
        "on_none",
        match lookup.on_none {
            OnNone::Null => "null",
            OnNone::Reject => "reject",
        },
    );
    table
}

fn schedule(schedule: &Schedule) -> Table {
    const DAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];
    let mut table = Table::new();
    let preset = match &schedule.when {
        When::Cron(line) => {
            put(&mut table, "cron", line.as_str());
            None
        }
        When::EveryDay(hour, minute) => Some(("every_day", hour, minute)),
        When::EveryWeekday(hour, minute) => Some(("every_weekday", hour, minute)),
        When::Weekly(day, hour, minute) => {
            put(&mut table, "day", DAYS.get(usize::from(*day)).copied().unwrap_or_default());
            Some(("weekly", hour, minute))
        }
        When::Monthly(31, hour, minute) => {
            put(&mut table, "day", "last");
            Some(("monthly", hour, minute))
        }
        When::Monthly(day, hour, minute) => {
            put(&mut table, "day", i64::from(*day));
            Some(("monthly", hour, minute))
        }
    };
    if let Some((word, hour, minute)) = preset {
        put(&mut table, "preset", word);
        put(&mut table, "at", format!("{hour:02}:{minute:02}"));
    }
    put(&mut table, "zone", schedule.zone.as_str());
    put(
        &mut table,
        "missed",
        match schedule.missed {
            Missed::Once => "once",
            Missed::Skip => "skip",
        },
    );
    table
}
