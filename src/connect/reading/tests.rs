//! Documents that are well, and documents with one mistake each.

mod round_trip;

use super::*;
use crate::connect::document::*;
use crate::connect::writing;

const WHOLE: &str = r#"
[connections.zoho]
tenant = "acme"
connector = "zoho"
name = "Zoho, production"
[connections.zoho.settings]
data_center = "eu"

[jobs.deals]
tenant = "acme"
connection = "zoho"
[jobs.deals.datasets.deals]
object = "Deals"
fields = ["id", "Deal_Name", "Account_Name", "Stage", "Amount"]
where = "A AND (B OR C)"
[jobs.deals.datasets.deals.conditions]
A = { field = "Type", is = "equals", value = "Customer" }
B = { field = "Closing_Date", is = "greater", value = 2026-01-01 }
C = { field = "Amount", is = "between", value = [1, 2.50] }
[jobs.deals.datasets.accounts]
object = "Accounts"
fields = ["id", "Account_Name"]
[jobs.deals.datasets.users]
object = "Users"
fields = ["id", "email"]
[jobs.deals.merges.all]
left = "deals_accounts"
right = "users"
join = "left"
on = [["Owner", "id"]]
fields = { id = "deals_accounts.id", Name = "deals_accounts.Deal", Email = "users.email" }
[jobs.deals.merges.deals_accounts]
left = "deals"
right = "accounts"
join = "left"
on = [["Account_Name.id", "id"]]
fields = { id = "deals.id", Deal = "deals.Deal_Name", Owner = "accounts.Account_Name.name", Open = "deals.Open" }
[[jobs.deals.transforms]]
dataset = "deals"
field = "Open"
cases = [{ conditions = { A = { field = "Stage", is = "in", value = ["New", "Open"] } }, then = "Active" }]
else = { field = "Stage" }
[[jobs.deals.transforms]]
dataset = "all"
field = "Title"
formula = { fn = "concat", args = [{ field = "Name" }, " ", { fn = "upper", args = [{ field = "Email" }] }, 5, true] }
[jobs.deals.destination]
dataset = "all"
object = "deal__gc"
external_id = "id"
[jobs.deals.destination.fields]
Name = "Title"
Email = { from = "Email", on_empty = "keep" }
Users = { from = "Name", default = 7 }
[[jobs.deals.destination.lookups]]
field = "Company"
object = "company"
match = [["Name", "Name"]]
[jobs.deals.refresh]
preset = "monthly"
day = "last"
at = "01:00"
[jobs.deals.schedule]
preset = "weekly"
day = "mon"
at = "06:30"
zone = "Europe/Berlin"

[chains.nightly]
tenant = "acme"
jobs = ["deals"]
[chains.nightly.schedule]
cron = "0 2 * * *"
"#;

fn problems(text: &str) -> Vec<String> {
    match read(text, Form::Toml, &Known::default()) {
        Ok(_) => Vec::new(),
        Err(problems) => problems.lines().to_vec(),
    }
}

#[test]
fn a_whole_text_is_read() {
    let read = read(WHOLE, Form::Toml, &Known::default()).unwrap();
    let job = &read.jobs[0];
    assert_eq!((job.id.as_str(), job.name.as_str(), job.enabled), ("deals", "deals", true));
    let names: Vec<_> = job.merges.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["deals_accounts", "all"], "each after those that it merges");
    assert_eq!(job.merges[0].1.fields["Owner"], ("accounts".to_owned(), "Account_Name.name".to_owned()));
    let filter = job.datasets["deals"].filter.as_ref().unwrap();
    assert_eq!(filter.conditions[&'B'].values, [Literal::Text("2026-01-01".to_owned())]);
    let numbers = ["1", "2.5"].map(|number| Literal::Number(number.to_owned()));
    assert_eq!(filter.conditions[&'C'].values, numbers);
    let Rule::Cases { otherwise, .. } = &job.transforms[0].rule else { panic!() };
    assert_eq!(*otherwise, Some(Operand::Field("Stage".to_owned())));
    let fields = &job.destination.fields;
    assert_eq!(fields["Name"].on_empty, OnEmpty::Clear, "a connection knows what is empty");
    assert_eq!(fields["Email"].on_empty, OnEmpty::Keep);
    assert_eq!(fields["Users"].on_empty, OnEmpty::Default(Literal::Number("7".to_owned())));
    let schedule = job.schedule.as_ref().unwrap();
    assert_eq!((&schedule.when, schedule.missed), (&When::Weekly(0, 6, 30), Missed::Once));
    assert_eq!(job.refresh.as_ref().unwrap().when, When::Monthly(31, 1, 0));
    assert_eq!(read.chains[0].schedule.as_ref().unwrap().zone, "UTC");
}

#[test]
fn json_says_the_same_as_toml() {
    let toml = read(WHOLE, Form::Toml, &Known::default()).unwrap();
    let text = writing::json(&toml.connections, &toml.jobs, &toml.chains);
    assert_eq!(Form::of(&text), Form::Json);
    assert_eq!(read(&text, Form::Json, &Known::default()).unwrap(), toml);
}

#[test]
fn an_empty_cell_of_a_file_keeps_what_is_there() {
    let known = Known {
        tenant: Some("acme".to_owned()),
        connections: BTreeMap::from([(("acme".to_owned(), "drop".to_owned()), Connector::Folder)]),
        ..Known::default()
    };
    let text = r#"
        [jobs.files]
        connection = "drop"
        datasets.rows = { object = "*.csv", fields = ["Key", "Name"] }
        destination = { dataset = "rows", object = "company", external_id = "Key", fields = { Name = "Name" } }
    "#;
    let read = read(text, Form::Toml, &known).unwrap();
    assert_eq!(read.jobs[0].tenant, "acme");
    assert_eq!(read.jobs[0].destination.fields["Name"].on_empty, OnEmpty::Keep);
}

/// What is said of the whole text with one part replaced.
#[track_caller]
fn said(part: &str, instead: &str, expected: &[&str]) {
    assert!(WHOLE.contains(part), "{part}");
    assert_eq!(problems(&WHOLE.replacen(part, instead, 1)), expected, "{part} -> {instead}");
}

#[test]
fn each_mistake_is_named_with_its_key_and_the_nearest_name() {
    assert_eq!(problems(WHOLE), Vec::<String>::new());
    for (part, instead, expected) in [
        (
            "data_center = \"eu\"",
            "client_secret = \"s\"",
            "connections.zoho.settings.client_secret: is a secret, which no document contains; remove it, and give it \
             to `weir connection authorize zoho --secret client_secret`",
        ),
        (
            "connector = \"zoho\"",
            "connector = \"zohoo\"",
            "connections.zoho.connector: must be another word; did you mean zoho?",
        ),
        (
            "connector = \"zoho\"",
            "",
            "connections.zoho.connector: is missing; it must be one of zoho, ecosystems, http, s3, folder, upload",
        ),
        (
            "[connections.zoho.settings]",
            "[connections.zoho.seting]",
            "connections.zoho.seting: unknown key; did you \
          mean settings?",
        ),
        (
            "connection = \"zoho\"",
            "connection = \"zohi\"",
            "jobs.deals.connection: there is no connection zohi; did you mean zoho?",
        ),
        (
            "where = \"A AND (B OR C)\"",
            "where = \"A AND B\"",
            "jobs.deals.datasets.deals.where: does not use the condition C; use it, or remove the condition",
        ),
        (
            "A = { field = \"Type\"",
            "AA = { field = \"Type\"",
            "jobs.deals.datasets.deals.conditions.AA: must be called by one letter, A to Z",
        ),
        (
            "is = \"between\", value = [1, 2.50]",
            "is = \"between\", value = [1]",
            "jobs.deals.datasets.deals.conditions.C.value: must be a list of two values, the lesser first",
        ),
        (
            "is = \"equals\"",
            "is = \"equal\"",
            "jobs.deals.datasets.deals.conditions.A.is: must be another word; did you mean equals?",
        ),
        (
            "value = \"Customer\"",
            "value = \" \"",
            "jobs.deals.datasets.deals.conditions.A.value: is empty; use is_null or is_not_null",
        ),
        (
            "left = \"deals\"",
            "left = \"deal\"",
            "jobs.deals.merges.deals_accounts.left: there is no dataset deal; did you mean deals?",
        ),
        (
            "[[\"Account_Name.id\", \"id\"]]",
            "[[\"Acount_Name.id\", \"id\"]]",
            "jobs.deals.merges.deals_accounts.on[0]: there is no field Acount_Name.id; did you mean Account_Name?",
        ),
        (
            "[[\"Account_Name.id\", \"id\"]]",
            "[\"id\"]",
            "jobs.deals.merges.deals_accounts.on[0]: must be a pair of fields: [\"one\", \"other\"]",
        ),
        (
            "Deal = \"deals.Deal_Name\"",
            "Deal = \"users.email\"",
            "jobs.deals.merges.deals_accounts.fields.Deal: there is no side users; there are deals, accounts",
        ),
        (
            "fn = \"upper\"",
            "fn = \"uper\"",
            "jobs.deals.transforms[1].formula.args[2].fn: is no function; did you mean upper?",
        ),
        (
            "args = [{ field = \"Email\" }]",
            "args = [{ field = \"Email\" }, 2]",
            "jobs.deals.transforms[1].formula.args[2].args: has 2 values; upper takes 1",
        ),
        (
            "{ field = \"Stage\", is",
            "{ field = \"Stge\", is",
            "jobs.deals.transforms[0].cases[0].conditions.A.field: there is no field Stge; did you mean Stage?",
        ),
        (
            "field = \"Open\"",
            "field = \"Stage\"",
            "jobs.deals.transforms[0].field: deals has the field Stage already; choose another name\n\
             jobs.deals.merges.deals_accounts.fields.Open: there is no field Open; there are id, Deal_Name, \
             Account_Name, Stage, Amount, Stage",
        ),
        (
            "external_id = \"id\"",
            "external_id = \"di\"",
            "jobs.deals.destination.external_id: there is no field di; there are Email, Name, id, Title",
        ),
        (
            "on_empty = \"keep\"",
            "on_empty = \"default\"",
            "jobs.deals.destination.fields.Email.default: is missing; say which value an empty one becomes",
        ),
        (
            "match = [[\"Name\", \"Name\"]]",
            "match = [[\"Nam\", \"Name\"]]",
            "jobs.deals.destination.lookups[0].match: there is no field Nam; did you mean Name?",
        ),
        (
            "field = \"Company\"",
            "field = \"Name\"",
            "jobs.deals.destination.lookups: Name is mapped twice; map it once",
        ),
        ("day = \"mon\"", "", "jobs.deals.schedule.day: must be one of mon, tue, wed, thu, fri, sat, sun"),
        (
            "Europe/Berlin",
            "Europe/Berln",
            "jobs.deals.schedule.zone: is no time zone that is known; did you mean Europe/Berlin?",
        ),
        (
            "jobs = [\"deals\"]",
            "jobs = [\"deal\"]",
            "chains.nightly.jobs: there is no job deal; did you mean deals?",
        ),
        (
            "[chains.nightly]",
            "[chains.Nightly]",
            "chains.Nightly: an id is 1 to 64 of a-z, 0-9, _ and -; choose \
          another one",
        ),
    ] {
        // The other table of a renamed one is one of its own.
        let text = instead.replace("[chains.Nightly]", "[chains.Nightly]\nschedule.cron = \"0 2 * * *\"");
        let whole = WHOLE.replace("[chains.nightly.schedule]\ncron = \"0 2 * * *\"\n", "");
        assert!(whole.contains(part), "{part}");
        let problems = problems(&whole.replacen(part, &text, 1)).join("\n");
        assert_eq!(problems, expected, "{part} -> {instead}");
    }
}

#[test]
fn all_mistakes_are_named_at_once() {
    let text = r#"
        [jobs.a]
        tenant = "acme"
        connection = "none"
        datasets.rows = { object = "", fields = "id" }
        destination = { dataset = "row", object = "company", external_id = "id", deletes = "drop" }
        schedule = { cron = "x", zone = "y", preset = "weekly" }
        colour = "red"
        [chains.c]
        jobs = []
    "#;
    assert_eq!(
        problems(text),
        [
            "jobs.a.connection: there is no connection none",
            "jobs.a.datasets.rows.object: must be a text that is not blank",
            "jobs.a.datasets.rows.fields: must be a list",
            "jobs.a.destination.dataset: there is no dataset row; did you mean rows?",
            "jobs.a.destination.deletes: must be one of ignore, mark",
            "jobs.a.destination.fields: is missing; map at least one field: { Name = \"Field\" }",
            "jobs.a.schedule.preset: stands beside cron; take one of the two",
            "jobs.a.schedule.cron: has 1 fields; a line of cron has five: minute, hour, day of the month, month, day \
             of the week",
            "jobs.a.schedule.zone: is no time zone that is known; name one such as \"Europe/Berlin\" or \"UTC\"",
            "jobs.a.colour: unknown key; the keys here are tenant, connection, name, enabled, datasets, merges, \
             transforms, destination, schedule, refresh",
            "chains.c.tenant: is missing; it must be a text that is not blank",
            "chains.c.jobs: must name the jobs, in order",
        ]
    );
}

#[test]
fn merges_in_a_circle_are_named_and_so_is_what_nothing_uses() {
    said(
        "right = \"accounts\"",
        "right = \"all\"",
        &[
            "jobs.deals.merges.deals_accounts.fields.Owner: there is no side accounts; there are deals, all",
            "jobs.deals.merges.all: merges go in a circle: all, deals_accounts, all; let one of them merge datasets",
        ],
    );
    said(
        "[jobs.deals.datasets.users]",
        "[jobs.deals.datasets.spare]\nobject = \"Leads\"\nfields = [\"id\"]\n[jobs.deals.datasets.users]",
        &["jobs.deals.datasets: spare is not used; merge it, or remove it"],
    );
}

#[test]
fn what_json_can_say_and_documents_can_not_is_a_problem() {
    let text = r#"{"jobs": {"a": {"enabled": null, "name": 12345678901234567890}}, "zz": [1e300]}"#;
    let Err(problems) = read(text, Form::Json, &Known::default()) else { panic!() };
    assert_eq!(problems.lines()[0], "jobs.a.enabled: is null; leave it out");
    let too_large = "is too large a number to be kept exactly; write it as text, in quotes";
    assert_eq!(problems.lines()[1], format!("jobs.a.name: {too_large}"));
    assert_eq!(problems.lines()[2], format!("zz[0]: {too_large}"));
    for text in ["[]", "{", "nul"] {
        assert_eq!(read(text, Form::Json, &Known::default()).unwrap_err().lines().len(), 1, "{text}");
    }
}

#[test]
fn a_tenant_is_the_one_that_the_command_names() {
    let tenants = Some(BTreeSet::from(["acme".to_owned()]));
    let known = Known { tenant: Some("acme".to_owned()), tenants, ..Known::default() };
    let connection = |tenant: &str| format!("[connections.a]\nconnector = \"zoho\"\n{tenant}");
    assert_eq!(read(&connection(""), Form::Toml, &known).unwrap().connections[0].tenant, "acme");
    let other = read(&connection("tenant = \"other\""), Form::Toml, &known).unwrap_err();
    assert_eq!(
        other.lines(),
        ["connections.a.tenant: is not acme, which the command names; take one of them"]
    );
    let known = Known { tenant: None, ..known };
    let other = read(&connection("tenant = \"acmi\""), Form::Toml, &known).unwrap_err();
    assert_eq!(other.lines(), ["connections.a.tenant: there is no tenant acmi; did you mean acme?"]);
}
