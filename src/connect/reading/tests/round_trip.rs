//! What is written is read back, whatever it is; and no text breaks the reader.

use proptest::prelude::*;

use super::WHOLE;
use crate::connect::document::*;
use crate::connect::expression::Expression;
use crate::connect::reading::*;
use crate::connect::writing;

/// Choices by a seed.
struct Dice(u64);

impl Dice {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % end
    }

    fn of<T: Clone>(&mut self, items: &[T]) -> T {
        items[self.below(items.len())].clone()
    }

    fn list<T>(&mut self, least: usize, most: usize, mut make: impl FnMut(&mut Dice) -> T) -> Vec<T> {
        let count = least + self.below(most - least + 1);
        (0..count).map(|_| make(self)).collect()
    }

    fn maybe<T>(&mut self, make: impl FnOnce(&mut Dice) -> T) -> Option<T> {
        (self.below(2) == 0).then(|| make(self))
    }

    fn text(&mut self) -> String {
        const TEXTS: [&str; 7] = ["x", "a \"b\"", " Größe\n", "1", "true", "2026-11-30", "C:\\new.csv"];
        self.of(&TEXTS).to_owned()
    }

    fn literal(&mut self) -> Literal {
        match self.below(4) {
            0 => Literal::Boolean(self.below(2) == 0),
            1 => Literal::Text(self.text()),
            2 => Literal::Number((i64::try_from(self.below(2_000)).unwrap() - 1_000).to_string()),
            _ => Literal::Number(
                self.of(&["0.1", "-2.5", "9007199254740993", "0.000001", "123456.789"]).to_owned(),
            ),
        }
    }

    fn filter(&mut self, fields: &[String]) -> Filter {
        let letters: BTreeSet<char> =
            self.list(1, 4, |dice| dice.of(&['A', 'B', 'Q', 'Z'])).into_iter().collect();
        let conditions = letters.iter().map(|letter| (*letter, self.condition(fields)));
        let conditions: BTreeMap<char, Condition> = conditions.collect();
        let each: Vec<Expression> = letters.iter().copied().map(Expression::Letter).collect();
        let expression = match (self.below(3), each.as_slice()) {
            (0, [first, second, ..]) if each.len() == 2 => {
                Expression::Any(vec![first.clone(), second.clone()])
            }
            (1, [first, rest @ ..]) if rest.len() > 1 => {
                Expression::All(vec![Expression::Any(rest.to_vec()), first.clone()])
            }
            _ => Expression::all(&letters),
        };
        Filter { expression, conditions }
    }

    fn condition(&mut self, fields: &[String]) -> Condition {
        let is = self.of(&Comparison::WORDS).1;
        let (least, most) = match is {
            Comparison::IsNull | Comparison::IsNotNull => (0, 0),
            Comparison::In | Comparison::NotIn => (1, 3),
            Comparison::Between => (2, 2),
            _ => (1, 1),
        };
        Condition { field: self.of(fields), is, values: self.list(least, most, Dice::literal) }
    }

    fn operand(&mut self, fields: &[String], depth: usize) -> Operand {
        match self.below(if depth > 3 { 2 } else { 3 }) {
            0 => Operand::Value(self.literal()),
            1 => Operand::Field(self.of(fields)),
            _ => Operand::Formula(Box::new(self.formula(fields, depth + 1))),
        }
    }

    fn formula(&mut self, fields: &[String], depth: usize) -> Formula {
        let (_, function, least, most) = self.of(&Function::WORDS);
        Formula { function, args: self.list(least, most.min(least + 2), |dice| dice.operand(fields, depth)) }
    }

    fn rule(&mut self, fields: &[String]) -> Rule {
        if self.below(2) == 0 {
            return Rule::Formula(self.formula(fields, 0));
        }
        let case = |dice: &mut Dice| Case { filter: dice.filter(fields), then: dice.operand(fields, 0) };
        Rule::Cases { cases: self.list(1, 3, case), otherwise: self.maybe(|dice| dice.operand(fields, 0)) }
    }

    fn schedule(&mut self) -> Schedule {
        let hour = u8::try_from(self.below(24)).unwrap();
        let minute = u8::try_from(self.below(60)).unwrap();
        let day = u8::try_from(self.below(7)).unwrap();
        let when = match self.below(6) {
            0 => When::Cron("*/5 1,2 * * mon-fri".to_owned()),
            1 => When::EveryDay(hour, minute),
            2 => When::EveryWeekday(hour, minute),
            3 => When::Weekly(day, hour, minute),
            4 => When::Monthly(day + 22, hour, minute),
            _ => When::Monthly(31, hour, minute),
        };
        let zone = self.of(&["UTC", "Europe/Berlin", "America/Argentina/Buenos_Aires"]).to_owned();
        Schedule { when, zone, missed: self.of(&[Missed::Once, Missed::Skip]) }
    }

    fn job(&mut self, id: &str) -> Job {
        let names = ["a", "Big deals", "c-3", "d_4"];
        let fields = ["id", "Name", "Größe (m)", "a.b", "quoted \"x\"", "Owner.id"].map(str::to_owned);
        let count = 1 + self.below(3);
        let mut shapes: BTreeMap<String, Vec<String>> = BTreeMap::new();
        let mut datasets = BTreeMap::new();
        for name in &names[..count] {
            let own = fields[..1 + self.below(fields.len())].to_vec();
            let filter = self.maybe(|dice| dice.filter(&fields));
            shapes.insert((*name).to_owned(), own.clone());
            datasets.insert((*name).to_owned(), Dataset { object: self.text(), fields: own, filter });
        }
        let mut transforms = Vec::new();
        let (mut merges, mut last) = (Vec::new(), names[0].to_owned());
        for (index, name) in names[..count].iter().enumerate() {
            self.transform(name, &mut shapes, &mut transforms);
            if index > 0 {
                let merge = self.merge(&last, name, &shapes);
                last = format!("merge {index}");
                shapes.insert(last.clone(), merge.fields.keys().cloned().collect());
                merges.push((last.clone(), merge));
            }
        }
        if count > 1 {
            self.transform(&last, &mut shapes, &mut transforms);
        }
        let destination = self.destination(&last, &shapes[&last]);
        Job {
            id: id.to_owned(),
            tenant: "acme".to_owned(),
            connection: "con".to_owned(),
            name: self.text(),
            enabled: self.below(2) == 0,
            datasets,
            merges,
            transforms,
            destination,
            schedule: self.maybe(Dice::schedule),
            refresh: self.maybe(Dice::schedule),
        }
    }

    fn transform(
        &mut self,
        dataset: &str,
        shapes: &mut BTreeMap<String, Vec<String>>,
        made: &mut Vec<Transform>,
    ) {
        for field in self.list(0, 1, |_| "Made of".to_owned()) {
            let rule = self.rule(&shapes[dataset]);
            shapes.get_mut(dataset).unwrap().push(field.clone());
            made.push(Transform { dataset: dataset.to_owned(), field, rule });
        }
    }

    fn merge(&mut self, left: &str, right: &str, shapes: &BTreeMap<String, Vec<String>>) -> Merge {
        let side = |dice: &mut Dice| {
            let side = dice.of(&[left, right]);
            (side.to_owned(), dice.of(&shapes[side]))
        };
        let named =
            self.list(1, 4, |dice| (dice.of(&["one", "two \\", "drei.", "id"]).to_owned(), side(dice)));
        Merge {
            left: left.to_owned(),
            right: right.to_owned(),
            join: self.of(&[Join::Inner, Join::Left, Join::Right, Join::Outer]),
            on: self.list(1, 3, |dice| (dice.of(&shapes[left]), dice.of(&shapes[right]))),
            fields: named.into_iter().collect(),
        }
    }

    fn destination(&mut self, dataset: &str, fields: &[String]) -> Destination {
        let map = |dice: &mut Dice| {
            let default = OnEmpty::Default(dice.literal());
            let on_empty = dice.of(&[OnEmpty::Keep, OnEmpty::Clear, default]);
            (dice.of(&["Name", "Arr", "Größe__gc"]).to_owned(), FieldMap { from: dice.of(fields), on_empty })
        };
        let lookups = self.below(3);
        let lookup = |dice: &mut Dice, field: &str| Lookup {
            field: field.to_owned(),
            object: "company".to_owned(),
            pairs: dice.list(1, 6, |dice| (dice.of(fields), dice.text())),
            on_many: dice.of(&[OnMany::Any, OnMany::Reject]),
            on_none: dice.of(&[OnNone::Null, OnNone::Reject]),
        };
        Destination {
            dataset: dataset.to_owned(),
            object: self.of(&["company", "deal__gc"]).to_owned(),
            operation: self.of(&[Operation::Upsert, Operation::Insert, Operation::Update]),
            external_id: self.of(fields),
            deletes: self.of(&[Deletes::Ignore, Deletes::Mark]),
            fields: self.list(1, 3, map).into_iter().collect(),
            lookups: ["Parent", "CSM"][..lookups].iter().map(|field| lookup(self, field)).collect(),
        }
    }

    fn documents(&mut self) -> Documents {
        let settings = r#"bucket = "b"
            count = 7
            objects.x = { fields = { "A b" = "a.b" }, list = [1, [true, 2.5]] }"#;
        let connection = Connection {
            id: "con".to_owned(),
            tenant: "acme".to_owned(),
            connector: self.of(&Connector::WORDS).1,
            name: self.text(),
            settings: self.maybe(|_| settings.parse().unwrap()).unwrap_or_default(),
        };
        let jobs: Vec<Job> =
            ["first", "job-2", "z"][..1 + self.below(3)].iter().map(|id| self.job(id)).collect();
        let ids: Vec<String> = jobs.iter().map(|job| job.id.clone()).collect();
        let chain = |dice: &mut Dice| Chain {
            id: "chain".to_owned(),
            tenant: "acme".to_owned(),
            jobs: ids,
            on_failure: dice.of(&[OnFailure::Stop, OnFailure::Continue]),
            schedule: dice.maybe(Dice::schedule),
        };
        let chains = self.maybe(chain).into_iter().collect();
        Documents { connections: vec![connection], jobs, chains }
    }
}

proptest! {
    #[test]
    fn what_is_written_is_read_back(seed: u64) {
        let documents = Dice(seed).documents();
        let Documents { connections, jobs, chains } = &documents;
        let toml = writing::toml(connections, jobs, chains);
        prop_assert_eq!(&read(&toml, Form::Toml, &Known::default()), &Ok(documents.clone()), "{}", toml);
        let json = writing::json(connections, jobs, chains);
        prop_assert_eq!(&read(&json, Form::Json, &Known::default()), &Ok(documents.clone()), "{}", json);
    }

    #[test]
    fn no_text_breaks_the_reader(text in "[a-z\\[\\]\\.=\"{}, \n0-9]{0,200}") {
        for form in [Form::Toml, Form::Json] {
            drop(read(&text, form, &Known::default()));
        }
    }

    #[test]
    fn a_text_with_a_part_cut_out_is_read_or_refused(from in 0..WHOLE.len(), length in 1..60usize) {
        let kept = |at: usize| at < from || at >= from + length;
        let text: String = WHOLE.char_indices().filter(|(at, _)| kept(*at)).map(|(_, letter)| letter).collect();
        if let Err(problems) = read(&text, Form::Toml, &Known::default()) {
            prop_assert!(!problems.is_empty());
        }
    }
}
