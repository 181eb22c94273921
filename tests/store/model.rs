//! Any records, in any order, with any repeats, split in any batches, loaded by one loader or by two that fight for
//! them and break anywhere: both databases show the rows that a model shows, which is written apart from them, and
//! plainly.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};

use jiff::Timestamp;
use proptest::prelude::*;
use proptest::sample::Index;
use proptest::test_runner::{Config, TestRunner};
use weir::queue::reader::ReadRecord;
use weir::record::{Kind, derived_id};
use weir::store::registry::Declared;
use weir::tenants::Merge;

use crate::fought::{Step, any_steps, fight};
use crate::loading::Loading;
use crate::records::{RECEIVED, record, with};

const MINUTE: i64 = 60_000;
const DAY: i64 = 1_440 * MINUTE;

/// What a record says.
#[derive(Clone, Copy, Debug)]
enum Says {
    /// A person's Name and Comments, and whose user that is. None: not said; none within: null.
    Person([Option<Option<u8>>; 2], Option<u8>),
    /// A company's Employees, and the user who belongs to it.
    Company(Option<u16>, Option<u8>),
    /// That one user is the other.
    Alias(u8, u8),
    Link,
    Event,
    PersonGone,
    CompanyGone,
    LinkGone,
}

/// A record: what it says of which person and company, how many minutes before its receipt that was (none: its sender
/// did not say), and which of all it is.
#[derive(Clone, Copy, Debug)]
struct Told {
    says: Says,
    person: u8,
    company: u8,
    before: Option<i64>,
    number: usize,
}

impl Told {
    /// Milliseconds since the Unix epoch. No two records have the same, nor the same time.
    fn received(&self) -> i64 {
        RECEIVED + i64::try_from(self.number).unwrap()
    }

    fn time(&self) -> i64 {
        self.received() - self.before.unwrap_or_default() * MINUTE
    }

    /// What is newer has more of it.
    fn newness(&self, merge: Merge, place: usize) -> i64 {
        match merge {
            Merge::Arrival => i64::try_from(place).unwrap(),
            Merge::EventTime if self.before.is_some() => self.time(),
            Merge::EventTime => self.time() - DAY,
        }
    }

    fn email(&self) -> String {
        format!("p{}@x.org", self.person)
    }

    fn company(&self) -> String {
        format!("C{}", self.company)
    }

    fn record(&self) -> ReadRecord {
        let (email, company, id) = (self.email(), self.company(), company_id(self.company));
        let json = |value: Option<u8>| value.map_or("null".to_owned(), |value| format!("\"v{value}\""));
        let gone = |object: &str, keys: String| format!(r#"{{"object":"{object}","keys":{{{keys}}}}}"#);
        let (kind, key, value, user) = match self.says {
            Says::Person([name, comments], user) => {
                let mut value = format!(r#"{{"Email":"{email}""#);
                name.into_iter().for_each(|name| value += &format!(r#","Name":{}"#, json(name)));
                comments.into_iter().for_each(|text| value += &format!(r#","Comments":{}"#, json(text)));
                (Kind::Person, email, value + "}", user)
            }
            Says::Company(employees, user) => {
                let employees =
                    employees.map_or(String::new(), |number| format!(r#","Employees":{number}.50"#));
                (Kind::Company, company.clone(), format!(r#"{{"Name":"{company}"{employees}}}"#), user)
            }
            Says::Alias(one, other) => {
                let value = format!(r#"{{"previousId":"u{one}","userId":"u{other}"}}"#);
                (Kind::Alias, format!("u{one}"), value, None)
            }
            Says::Link => {
                let email_of_link = email.to_uppercase();
                let value =
                    format!(r#"{{"Email":"{email_of_link}","CompanyId":"{id}","CompanyName":"of link"}}"#);
                (Kind::Link, email, value, None)
            }
            Says::Event => (Kind::Event, format!("u{}", self.person), r#"{"a":1}"#.to_owned(), None),
            Says::PersonGone => {
                (Kind::Deleted, email.clone(), gone("person", format!(r#""Email":"{email}""#)), None)
            }
            Says::CompanyGone => {
                (Kind::Deleted, company.clone(), gone("company", format!(r#""Name":"{company}""#)), None)
            }
            Says::LinkGone => {
                let keys = format!(r#""Email":"{email}","CompanyId":"{id}""#);
                (Kind::Deleted, email, gone("company_person", keys), None)
            }
        };
        let time = self.before.map_or(self.received(), |_| self.time());
        let record = with(record(kind, &key, &format!("m{}", self.number), &value), "ce_time", &text(time));
        let record = ReadRecord { timestamp_ms: self.received(), ..record };
        match user {
            Some(user) => with(record, "ce_userid", &format!("u{user}")),
            None => record,
        }
    }
}

fn company_id(company: u8) -> String {
    derived_id("1P02", "acme", &format!("C{company}"))
}

fn text(ms: i64) -> String {
    format!("{:.3}", Timestamp::from_millisecond(ms).unwrap())
}

/// The newest of what was said of something, and how new that is.
#[derive(Clone, Debug, Default)]
struct Newest<T>(Option<(i64, T)>);

impl<T: Clone> Newest<T> {
    fn hear(&mut self, newness: i64, said: T) {
        if self.0.as_ref().is_none_or(|(known, _)| newness >= *known) {
            self.0 = Some((newness, said));
        }
    }

    fn said(&self) -> Option<T> {
        self.0.as_ref().map(|(_, said)| said.clone())
    }
}

/// A row as the model has it.
#[derive(Clone, Debug, Default)]
struct Thing {
    values: BTreeMap<&'static str, Newest<Option<String>>>,
    /// An email that only a link gave.
    aside: Option<String>,
    /// When it was deleted, or that it is there.
    gone: Newest<Option<i64>>,
    created: Option<i64>,
}

impl Thing {
    fn touch(&mut self, told: &Told) {
        self.created = Some(self.created.map_or(told.received(), |known| known.min(told.received())));
    }

    fn shown(&self, field: &str) -> String {
        let said = self.values.get(field).and_then(Newest::said).flatten();
        let aside = self.aside.clone().filter(|_| field == "Email" && !self.values.contains_key(field));
        said.or(aside).unwrap_or_else(|| "NULL".to_owned())
    }

    fn gone_at(&self) -> Option<i64> {
        self.gone.said().flatten()
    }

    fn gone_text(&self) -> String {
        self.gone_at().map_or("NULL".to_owned(), text)
    }

    fn created_text(&self) -> String {
        text(self.created.unwrap())
    }
}

#[derive(Default)]
struct Model {
    people: BTreeMap<u8, Thing>,
    companies: BTreeMap<u8, Thing>,
    links: BTreeMap<(u8, u8), Thing>,
    users: BTreeMap<u8, Newest<u8>>,
    aliases: BTreeMap<u8, Newest<u8>>,
    /// Of a user and a company, when its first record was received, and the latest time at which that was said.
    members: BTreeMap<(u8, u8), (i64, i64)>,
    events: BTreeMap<usize, Told>,
}

impl Model {
    fn of(sequence: &[Told], merge: Merge) -> Self {
        let (mut model, mut heard) = (Model::default(), BTreeSet::new());
        for (place, told) in sequence.iter().enumerate() {
            let is_repeat = !heard.insert(told.number);
            if !is_repeat || merge == Merge::EventTime {
                model.hear(told, told.newness(merge, place), merge);
            }
        }
        model
    }

    fn hear(&mut self, told: &Told, newness: i64, merge: Merge) {
        let pair = (told.person, told.company);
        let (thing, is_gone) = match told.says {
            Says::Event => {
                self.events.insert(told.number, *told);
                return;
            }
            Says::Person(values, user) => {
                let person = self.people.entry(told.person).or_default();
                let mut hear = |field, value| person.values.entry(field).or_default().hear(newness, value);
                hear("Email", Some(told.email()));
                for (field, value) in ["Name", "Comments"].into_iter().zip(values) {
                    value.into_iter().for_each(|value| hear(field, value.map(|value| format!("v{value}"))));
                }
                // Of users it is the receipt that counts by arrival.
                let newness = if merge == Merge::Arrival { told.received() } else { newness };
                user.into_iter()
                    .for_each(|user| self.users.entry(user).or_default().hear(newness, told.person));
                (person, false)
            }
            Says::Alias(one, other) => {
                let newness = if merge == Merge::Arrival { told.received() } else { newness };
                if one != other {
                    self.aliases.entry(one).or_default().hear(newness, other);
                }
                return;
            }
            Says::Company(employees, user) => {
                if let Some(user) = user {
                    let now = (told.received(), told.time());
                    let known = self.members.entry((user, told.company)).or_insert(now);
                    *known = (known.0.min(now.0), known.1.max(now.1));
                }
                let company = self.companies.entry(told.company).or_default();
                let mut hear =
                    |field, value| company.values.entry(field).or_default().hear(newness, Some(value));
                hear("Name", told.company());
                employees.into_iter().for_each(|number| hear("Employees", format!("{number}.5")));
                (company, false)
            }
            Says::Link => {
                let person = self.people.entry(told.person).or_default();
                person.aside = Some(told.email().to_uppercase());
                person.touch(told);
                let link = self.links.entry(pair).or_default();
                link.values.entry("Email").or_default().hear(newness, Some(told.email().to_uppercase()));
                link.values.entry("CompanyName").or_default().hear(newness, Some("of link".to_owned()));
                (link, false)
            }
            Says::PersonGone => (self.people.entry(told.person).or_default(), true),
            Says::CompanyGone => (self.companies.entry(told.company).or_default(), true),
            Says::LinkGone => (self.links.entry(pair).or_default(), true),
        };
        thing.gone.hear(newness, is_gone.then(|| told.time()));
        thing.touch(told);
    }

    /// Where aliases lead from a user to; from a circle, to where its oldest starts.
    fn last(&self, user: u8) -> u8 {
        let next = |user: u8| self.aliases.get(&user).and_then(Newest::said);
        let path: Vec<u8> = std::iter::successors(Some(user), |user| next(*user)).take(99).collect();
        if path.len() < 99 {
            return *path.last().unwrap();
        }
        let oldest = |user: &&u8| self.aliases[*user].0.unwrap().0;
        *path[50..].iter().min_by_key(oldest).unwrap()
    }

    /// Who a user is: the person of where its aliases lead to, else the person that was told last of any that lead
    /// there.
    fn person(&self, user: u8) -> Option<u8> {
        let last = self.last(user);
        let of = |user: &u8| self.users.get(user).and_then(|said| said.0);
        let alike = (0..3_u8).filter(|other| self.last(*other) == last);
        let latest = alike.filter_map(|user| of(&user)).max_by_key(|(newness, _)| *newness);
        of(&last).or(latest).map(|(_, person)| person)
    }

    /// Every user of a person, also those of whom nothing is known but aliases.
    fn users_of(&self, person: u8) -> Vec<u8> {
        (0..3).filter(|user| self.person(*user) == Some(person)).collect()
    }

    /// Since when a person belongs to a company by way of its users alone.
    fn member_since(&self, person: u8, company: u8) -> Option<i64> {
        let link = self.links.get(&(person, company));
        let is_said = |told: i64| link.is_none_or(|link| link.gone_at().is_some_and(|gone| gone < told));
        let of = |user| self.members.get(&(user, company));
        let said = self.users_of(person).into_iter().filter_map(of).filter(|(_, told)| is_said(*told));
        said.map(|(received, _)| *received).min()
    }

    /// What [`QUERIES`] must find.
    fn shown(&self) -> [Vec<String>; 4] {
        let person = |(number, person): (&u8, &Thing)| {
            let ids: Vec<_> = self.users_of(*number).iter().map(|user| format!("\"u{user}\"")).collect();
            let [email, name, comments] = ["Email", "Name", "Comments"].map(|field| person.shown(field));
            let (gone, created) = (person.gone_text(), person.created_text());
            format!("p{number}@x.org|{email}|{name}|{comments}|{gone}|{created}|[{}]", ids.join(","))
        };
        let company = |(number, company): (&u8, &Thing)| {
            let (name, employees) = (company.shown("Name"), company.shown("Employees"));
            format!("C{number}|{name}|{employees}|{}|{}", company.gone_text(), company.created_text())
        };
        let link = |((person, company), link): (&(u8, u8), &Thing)| {
            let known = self.companies.get(company).map(|company| company.shown("Name"));
            let name = known.filter(|name| name != "NULL").unwrap_or_else(|| link.shown("CompanyName"));
            let person = derived_id("1P01", "acme", &format!("p{person}@x.org"));
            format!(
                "{person}|{}|{}|{name}|{}",
                link.shown("Email"),
                company_id(*company),
                link.created_text()
            )
        };
        let pairs = || (0..3_u8).flat_map(|person| (0..3_u8).map(move |company| (person, company)));
        let members = pairs().filter_map(|(person, company)| {
            let since = self.member_since(person, company)?;
            let (of, email) = (&self.companies[&company], self.people[&person].shown("Email"));
            let id = derived_id("1P01", "acme", &format!("p{person}@x.org"));
            Some(format!("{id}|{email}|{}|{}|{}", company_id(company), of.shown("Name"), text(since)))
        });
        let event = |(number, told): (&usize, &Told)| {
            let person = self.person(told.person);
            let live = |pair: &(u8, u8)| {
                self.links.get(pair).is_some_and(|link| link.gone_at().is_none())
                    || self.member_since(pair.0, pair.1).is_some()
            };
            let live = pairs().filter(|pair| Some(pair.0) == person && live(pair));
            let companies: Vec<u8> = live.map(|(_, company)| company).collect();
            let company = if let [company] = companies[..] { company_id(company) } else { "NULL".to_owned() };
            let id = |person| derived_id("1P01", "acme", &format!("p{person}@x.org"));
            let person = person.map_or("NULL".to_owned(), id);
            format!("m{number}|u{}|{person}|{company}|{}", told.person, text(told.time()))
        };
        let mut links: Vec<String> =
            self.links.iter().filter(|(_, link)| link.gone_at().is_none()).map(link).chain(members).collect();
        links.sort();
        let mut events: Vec<String> = self.events.iter().map(event).collect();
        events.sort();
        [
            self.people.iter().map(person).collect(),
            self.companies.iter().map(company).collect(),
            links,
            events,
        ]
    }
}

const QUERIES: [&str; 4] = [
    "SELECT key, email, name, comments, deleted_at, created_at, user_ids FROM acme_person ORDER BY key",
    "SELECT key, name, employees, deleted_at, created_at FROM acme_company ORDER BY key",
    "SELECT person_id, person_email, company_id, company_name, created_at FROM acme_company_person",
    "SELECT event_id, user_id, person_id, company_id, time FROM acme_event",
];

fn shown(loading: &Loading) -> [Vec<String>; 4] {
    // PostgreSQL writes blanks into JSON, and the last 0 of a number.
    let plain = |row: String| row.replace("\", \"", "\",\"").replace(".50|", ".5|");
    let [people, companies, links, events] = QUERIES.map(|sql| loading.ask(sql).into_iter().map(plain));
    let sorted = |rows: &mut dyn Iterator<Item = String>| rows.collect::<BTreeSet<_>>().into_iter().collect();
    [people.collect(), companies.collect(), sorted(&mut { links }), sorted(&mut { events })]
}

fn says() -> impl Strategy<Value = Says> {
    let value = || proptest::option::of(proptest::option::weighted(0.8, 0..4_u8));
    prop_oneof![
        4 => ([value(), value()], proptest::option::of(0..3_u8)).prop_map(|(values, user)| Says::Person(values, user)),
        3 => (proptest::option::of(0..9_u16), proptest::option::of(0..3_u8))
            .prop_map(|(employees, user)| Says::Company(employees, user)),
        3 => (0..3_u8, 0..3_u8).prop_map(|(one, other)| Says::Alias(one, other)),
        3 => Just(Says::Link),
        3 => Just(Says::Event),
        1 => Just(Says::PersonGone),
        1 => Just(Says::CompanyGone),
        1 => Just(Says::LinkGone),
    ]
}

type Any = (Vec<(Says, u8, u8, Option<i64>)>, Vec<Index>, Vec<Index>, bool);

/// Records; which of them come where; after how many a batch ends; whether the last to arrive wins.
fn any_records() -> impl Strategy<Value = Any> {
    let told = (says(), 0..3_u8, 0..3_u8, proptest::option::weighted(0.8, 1..3_000_i64));
    (
        proptest::collection::vec(told, 1..24),
        proptest::collection::vec(any::<Index>(), 1..40),
        proptest::collection::vec(any::<Index>(), 0..8),
        any::<bool>(),
    )
}

fn hold(loading: &mut Loading, any: Any) -> Result<(), TestCaseError> {
    let (sequence, cuts, merge) = sequence(loading, any);
    let mut ends: BTreeSet<usize> = cuts.iter().map(|index| index.index(sequence.len())).collect();
    ends.insert(sequence.len());
    let mut from = 0;
    for end in ends {
        loading.load(&sequence[from..end].iter().map(Told::record).collect::<Vec<_>>());
        from = end;
    }
    prop_assert_eq!(shown(loading), Model::of(&sequence, merge).shown());
    Ok(())
}

/// The same with two loaders that go through `steps`.
fn hold_fought(loading: &mut Loading, any: Any, steps: Vec<Step>) -> Result<(), TestCaseError> {
    let (sequence, _, merge) = sequence(loading, any);
    let record = |(offset, told): (i64, &Told)| ReadRecord { offset, ..told.record() };
    let records: Vec<_> = (0..).zip(&sequence).map(record).collect();
    fight(loading, &records, steps);
    prop_assert_eq!(shown(loading), Model::of(&sequence, merge).shown());
    Ok(())
}

/// The records in the order in which they come, where batches end, and who wins, which `loading` is told.
fn sequence(loading: &mut Loading, (told, order, cuts, is_arrival): Any) -> (Vec<Told>, Vec<Index>, Merge) {
    let merge = if is_arrival { Merge::Arrival } else { Merge::EventTime };
    loading.rules.merge = [("acme".to_owned(), merge)].into();
    let told: Vec<Told> = told
        .into_iter()
        .enumerate()
        .map(|(number, (says, person, company, before))| Told { says, person, company, before, number })
        .collect();
    (order.iter().map(|index| told[index.index(told.len())]).collect(), cuts, merge)
}

#[test]
fn the_model_is_shown_on_sqlite() {
    let mut runner = TestRunner::new(Config { failure_persistence: None, ..Config::with_cases(48) });
    runner.run(&any_records(), |any| hold(&mut Loading::on_sqlite(), any)).unwrap();
}

#[test]
fn the_model_is_shown_on_postgres() {
    run_on_postgres(96, any_records(), hold);
}

#[test]
fn the_model_is_shown_on_sqlite_where_two_loaders_fight_and_break_anywhere() {
    let mut runner = TestRunner::new(Config { failure_persistence: None, ..Config::with_cases(48) });
    let hold = |(any, steps)| hold_fought(&mut Loading::on_sqlite(), any, steps);
    runner.run(&(any_records(), any_steps()), hold).unwrap();
}

#[test]
fn the_model_is_shown_on_postgres_where_two_loaders_fight_and_break_anywhere() {
    run_on_postgres(48, (any_records(), any_steps()), |loading, (any, steps)| {
        hold_fought(loading, any, steps)
    });
}

/// Runs `cases` in one database: making it takes longer than what happens in it.
fn run_on_postgres<S: Strategy>(
    cases: u32,
    strategy: S,
    hold: impl Fn(&mut Loading, S::Value) -> Result<(), TestCaseError>,
) {
    let loading = Mutex::new(Loading::on_postgres());
    let asking = loading.lock().unwrap().postgres().1;
    let mut runner = TestRunner::new(Config { failure_persistence: None, ..Config::with_cases(cases) });
    let hold = |value| {
        asking.run(
            "TRUNCATE weir_row, weir_event, weir_user, weir_join, weir_member, weir_seen, weir_progress, weir_failed, \
             weir_field",
        );
        let mut loading = loading.lock().unwrap_or_else(PoisonError::into_inner);
        loading.declare(Declared::default());
        hold(&mut loading, value)
    };
    runner.run(&strategy, hold).unwrap();
}
