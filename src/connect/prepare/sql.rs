//! The SQL of a plan's stages. Values are bound, never written into it.

use rusqlite::types::Value;

use super::functions::{AS_CELL, HAS_ONE, NUMBER_ORDER, TIME_ORDER, name};
use super::plan::{Condition, Filter, Operand, Origin, Plan, Rule, Source, Stage};
use crate::connect::cell::CellType;
use crate::connect::document::Comparison;
use crate::connect::staging::{Staging, StagingError, WORK};

/// Values that a statement is given, in the order of their numbers.
#[derive(Clone, Debug, Default)]
pub struct Bound(pub Vec<Value>);

impl Bound {
    /// What the statement calls the next value.
    pub fn bind(&mut self, value: impl Into<Value>) -> String {
        self.0.push(value.into());
        format!("?{}", self.0.len())
    }
}

/// The rows of a stage, as a FROM clause names them, and what their columns are called there.
#[derive(Clone, Debug)]
pub struct Relation {
    /// A table, or a query in brackets.
    pub from: String,
    /// Whether it is a table, which can have an index.
    pub is_table: bool,
    /// The place of a row, by which rows are ordered.
    pub place: String,
    /// The rows of datasets that it is of.
    pub rows: Vec<String>,
    /// When it was changed.
    pub modified: String,
    /// The values.
    pub columns: Vec<String>,
}

impl Relation {
    /// A relation whose columns are called as queries here call them.
    pub fn named(from: String, is_table: bool, stage: &Stage) -> Self {
        Relation {
            from,
            is_table,
            place: "p".to_owned(),
            rows: (0..stage.leaves.len()).map(|leaf| format!("r{leaf}")).collect(),
            modified: "m".to_owned(),
            columns: (0..stage.columns.len()).map(|column| format!("c{column}")).collect(),
        }
    }
}

/// The table of what is merged in the stage `at`.
pub fn merged(at: usize) -> String {
    format!("{WORK}.merge_{at}")
}

/// The rows of the stage `at`, whose merge was made.
pub fn relation(
    plan: &Plan,
    at: usize,
    staging: &Staging,
    bound: &mut Bound,
) -> Result<Option<Relation>, StagingError> {
    let Some(stage) = plan.stages.get(at) else { return Ok(None) };
    let is_computed = stage.columns.iter().any(|column| matches!(column.value, Source::Computed(_)));
    let filter = match &stage.from {
        Origin::Merge(_) => None,
        Origin::Dataset(filter) => filter.as_ref(),
    };
    let base = match &stage.from {
        Origin::Merge(_) => Relation::named(merged(at), true, stage),
        Origin::Dataset(_) => dataset(stage, staging)?,
    };
    if !is_computed && filter.is_none() {
        return Ok(Some(base));
    }
    let filter = filter.map(|filter| filter_sql(filter, &|column| at_place(&base.columns, column), bound));
    let mut query = select(&base, stage, filter.as_deref());
    let layers = layers(stage);
    for layer in 1..=layers.iter().copied().max().unwrap_or(0) {
        query = computed((query, layer), stage, &layers, bound);
    }
    Ok(Some(Relation::named(format!("({query})"), false, stage)))
}

fn at_place(columns: &[String], at: usize) -> String {
    columns.get(at).cloned().unwrap_or_default()
}

fn dataset(stage: &Stage, staging: &Staging) -> Result<Relation, StagingError> {
    let column = |column: &super::plan::StageColumn| match column.value {
        Source::Field => staging.column(&stage.name, &column.name),
        _ => Ok(String::new()),
    };
    Ok(Relation {
        from: format!("main.{}", staging.tab(&stage.name)?),
        is_table: true,
        place: "_row".to_owned(),
        rows: vec!["_row".to_owned()],
        modified: "_modified".to_owned(),
        columns: stage.columns.iter().map(column).collect::<Result<_, _>>()?,
    })
}

/// The columns of `base` that are not worked out.
fn select(base: &Relation, stage: &Stage, filter: Option<&str>) -> String {
    let names = Relation::named(String::new(), false, stage);
    let mut columns = vec![format!("{} AS p", base.place), format!("{} AS m", base.modified)];
    columns.extend(base.rows.iter().zip(&names.rows).map(|(from, name)| format!("{from} AS {name}")));
    let given = stage.columns.iter().zip(base.columns.iter().zip(&names.columns));
    let given = given.filter(|(column, _)| !matches!(column.value, Source::Computed(_)));
    columns.extend(given.map(|(_, (from, name))| format!("{from} AS {name}")));
    let filter = filter.map(|filter| format!(" WHERE {filter}")).unwrap_or_default();
    format!("SELECT {} FROM {}{filter}", columns.join(", "), base.from)
}

/// For each column: after how many others it can be worked out, one behind the other. 0: it is given.
fn layers(stage: &Stage) -> Vec<usize> {
    let mut layers: Vec<usize> = Vec::new();
    for column in &stage.columns {
        layers.push(match &column.value {
            Source::Computed(rule) => {
                let of = rule.columns().into_iter().filter_map(|column| layers.get(column).copied());
                of.max().unwrap_or(0) + 1
            }
            _ => 0,
        });
    }
    layers
}

/// `query` with the columns of a layer.
fn computed((query, layer): (String, usize), stage: &Stage, layers: &[usize], bound: &mut Bound) -> String {
    let column = |at: usize| format!("b.c{at}");
    let mut columns = vec!["b.*".to_owned()];
    for (at, _) in layers.iter().enumerate().filter(|(_, of)| **of == layer) {
        if let Some(Source::Computed(rule)) = stage.columns.get(at).map(|column| &column.value) {
            columns.push(format!("{AS_CELL}({}) AS c{at}", rule_sql(rule, &column, bound)));
        }
    }
    let columns = columns.join(", ");
    if layer == 1 {
        return format!("SELECT {columns} FROM ({query}) AS b");
    }
    // Otherwise SQLite puts the text of one formula wherever another one uses it, and works it out each time.
    format!("WITH below AS MATERIALIZED ({query}) SELECT {columns} FROM below AS b")
}

fn rule_sql(rule: &Rule, column: &dyn Fn(usize) -> String, bound: &mut Bound) -> String {
    match rule {
        Rule::Formula(operand) => operand_sql(operand, column, bound),
        Rule::Cases(cases, otherwise) => {
            let mut sql = "CASE".to_owned();
            for (filter, then) in cases {
                let filter = filter_sql(filter, column, bound);
                sql += &format!(" WHEN {filter} THEN {}", operand_sql(then, column, bound));
            }
            // A CASE has a case at least.
            let never = if cases.is_empty() { " WHEN false THEN NULL" } else { "" };
            format!("{sql}{never} ELSE {} END", operand_sql(otherwise, column, bound))
        }
    }
}

fn operand_sql(operand: &Operand, column: &dyn Fn(usize) -> String, bound: &mut Bound) -> String {
    match operand {
        Operand::Null => "NULL".to_owned(),
        Operand::Value(value) => bound.bind(value.clone()),
        Operand::Column(at) => column(*at),
        Operand::Call(function, args) => {
            let args: Vec<String> = args.iter().map(|arg| operand_sql(arg, column, bound)).collect();
            format!("{}({})", name(*function), args.join(", "))
        }
    }
}

fn filter_sql(filter: &Filter, column: &dyn Fn(usize) -> String, bound: &mut Bound) -> String {
    let conditions: std::collections::BTreeMap<char, String> = filter
        .conditions
        .iter()
        .map(|(letter, condition)| (*letter, condition_sql(condition, column(condition.column), bound)))
        .collect();
    // A letter without a condition can't be: whoever reads the document refuses it.
    filter.expression.sql(&|letter| conditions.get(&letter).cloned().unwrap_or_else(|| "false".to_owned()))
}

/// Null where it can't be said, which counts as false.
fn condition_sql(condition: &Condition, column: String, bound: &mut Bound) -> String {
    let compared =
        if condition.kind == CellType::Email { format!("lower({column})") } else { column.clone() };
    let is_list = condition.kind == CellType::List;
    let all = || serde_json::Value::from(condition.values.clone()).to_string();
    let mut values = condition.values.iter().cloned();
    let mut next = |bound: &mut Bound| bound.bind(values.next().unwrap_or_default());
    let mut order = |sign: &str, bound: &mut Bound| {
        let value = next(bound);
        match condition.kind {
            CellType::Number => format!("{NUMBER_ORDER}({column}, {value}) {sign} 0"),
            CellType::Date | CellType::Time => format!("{TIME_ORDER}({column}, {value}) {sign} 0"),
            _ => format!("{compared} {sign} {value}"),
        }
    };
    match condition.is {
        Comparison::IsNull => format!("{column} IS NULL"),
        Comparison::IsNotNull => format!("{column} IS NOT NULL"),
        Comparison::In if is_list => format!("{HAS_ONE}({column}, {})", bound.bind(all())),
        Comparison::NotIn if is_list => {
            format!("({column} IS NULL OR NOT {HAS_ONE}({column}, {}))", bound.bind(all()))
        }
        Comparison::Contains if is_list => format!("{HAS_ONE}({column}, {})", bound.bind(all())),
        Comparison::In => format!("{compared} IN (SELECT value FROM json_each({}))", bound.bind(all())),
        Comparison::NotIn => {
            let values = bound.bind(all());
            format!("({column} IS NULL OR {compared} NOT IN (SELECT value FROM json_each({values})))")
        }
        Comparison::Equals => format!("{compared} = {}", next(bound)),
        Comparison::NotEquals => format!("({column} IS NULL OR {compared} <> {})", next(bound)),
        Comparison::Contains => format!("instr({compared}, {}) > 0", next(bound)),
        Comparison::StartsWith => {
            let value = next(bound);
            format!("substr({compared}, 1, length({value})) = {value}")
        }
        Comparison::EndsWith => {
            let value = next(bound);
            format!("substr({compared}, -length({value})) = {value}")
        }
        Comparison::Less => order("<", bound),
        Comparison::LessOrEqual => order("<=", bound),
        Comparison::Greater => order(">", bound),
        Comparison::GreaterOrEqual => order(">=", bound),
        Comparison::Between => format!("({} AND {})", order(">=", bound), order("<=", bound)),
    }
}
