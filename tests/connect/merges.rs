//! Merges over several runs: rows without a partner, which find one later, and lose it again.

use serde_json::{Value, json};

use crate::whole::{Set, accounts, counts};
use crate::zoho::org::{ModuleOf, Org, Row, field};

/// An org with so many accounts, and no deal yet.
fn org(count: u64) -> Org {
    let mut org = accounts(count);
    let fields =
        [field("Deal_Name", "text"), field("Account_Name", "lookup"), field("Modified_Time", "datetime")];
    let module = ModuleOf { fields: fields.into(), ..ModuleOf::default() };
    org.modules.insert("Deals".to_owned(), module);
    org
}

/// A deal of an account.
fn deal(id: u64, account: u64, modified: i64) -> Row {
    let account = json!({ "id": account.to_string(), "name": format!("Company {account}") });
    let values = json!({ "Deal_Name": format!("Deal {id}"), "Account_Name": account });
    let Value::Object(values) = values else { panic!("no object") };
    Row { id, modified, values }
}

/// Deals and accounts, all of both, to companies whose name is made like that.
fn job(name: &str) -> String {
    format!(
        r#"
[jobs.both]
connection = "zoho"
name = "Deals with accounts"
[jobs.both.datasets.deals]
object = "Deals"
fields = ["id", "Deal_Name", "Account_Name"]
[jobs.both.datasets.accounts]
object = "Accounts"
fields = ["id", "Account_Name", "Employees"]
[jobs.both.merges.merged]
left = "deals"
right = "accounts"
join = "outer"
on = [["Account_Name.id", "id"]]
fields = {{ Id = "deals.id", Deal = "deals.Deal_Name", Name = "accounts.Account_Name", Staff = "accounts.Employees" }}
[[jobs.both.transforms]]
dataset = "merged"
field = "Called"
formula = {{ fn = "coalesce", args = [{name}] }}
[jobs.both.destination]
dataset = "merged"
object = "company"
operation = "upsert"
external_id = "Id"
deletes = "mark"
[jobs.both.destination.fields]
Name = "Called"
Employees = "Staff"
"#
    )
}

fn run(set: &Set) -> Value {
    set.json(&["job", "run", "both", "--wait"])
}

const LIVE: &str = "SELECT name FROM acme_company WHERE deleted_at IS NULL ORDER BY 1";

#[test]
fn a_row_without_a_partner_goes_when_it_finds_one_and_comes_back_when_it_loses_it() {
    let set = Set::new(org(3));
    set.told(&["job", "apply", "-"], &job(r#"{ field = "Deal" }, { field = "Name" }"#));
    let first = run(&set);
    assert_eq!((first["state"].as_str(), counts(&first)), (Some("success"), [3, 3, 0, 0, 3, 0]), "{first}");
    assert_eq!(set.ask(LIVE), ["Company 1", "Company 2", "Company 3"]);
    let same = run(&set);
    assert_eq!(counts(&same)[1..], [3, 3, 0, 0, 0], "{same}");
    set.change(|org, now| {
        let deals = org.modules.get_mut("Deals").unwrap();
        deals.rows.extend([(901, deal(901, 2, now)), (902, deal(902, 2, now))]);
    });
    let found = run(&set);
    assert_eq!((found["state"].as_str(), &counts(&found)[4..]), (Some("success"), &[3, 1][..]), "{found}");
    assert_eq!(set.ask(LIVE), ["Company 1", "Company 3", "Deal 901", "Deal 902"]);
    assert_eq!(counts(&run(&set))[1..], [4, 4, 0, 0, 0]);
    set.change(|org, now| {
        let deals = org.modules.get_mut("Deals").unwrap();
        for id in [901, 902] {
            deals.rows.remove(&id).unwrap();
            deals.deleted.push((id, now, true));
        }
    });
    let lost = run(&set);
    assert_eq!((lost["state"].as_str(), &counts(&lost)[4..]), (Some("success"), &[3, 2][..]), "{lost}");
    assert_eq!(set.ask(LIVE), ["Company 1", "Company 2", "Company 3"]);
}

#[test]
fn a_row_without_a_partner_stays_where_it_is_the_row_of_its_partner_or_its_own_row_is_not_read() {
    let set = Set::new(org(3));
    let job = job(r#"{ field = "Name" }, { field = "Deal" }"#);
    set.told(&["job", "apply", "-"], &job);
    assert_eq!(counts(&run(&set))[4..], [3, 0]);
    set.change(|org, now| {
        let deals = org.modules.get_mut("Deals").unwrap();
        deals.rows.insert(901, deal(901, 2, now));
    });
    let found = run(&set);
    assert_eq!((found["state"].as_str(), &counts(&found)[4..]), (Some("success"), &[1, 0][..]), "{found}");
    assert_eq!(set.ask(LIVE), ["Company 1", "Company 2", "Company 3"]);
    let remembered = "SELECT count(*) FROM weir_job_row WHERE job = 'both'";
    assert_eq!(set.ask(remembered), ["3"], "the lone one is another one's row now");
    // A filter that lets fewer through deletes nothing.
    let condition =
        "where = \"A\"\nconditions = { A = { field = \"Employees\", is = \"less\", value = 3 } }\n";
    let object = "object = \"Accounts\"\n";
    let fewer = job.replace(object, &format!("{object}{condition}"));
    set.told(&["job", "apply", "-"], &fewer);
    let filtered = run(&set);
    assert_eq!(counts(&filtered)[1..], [2, 2, 0, 0, 0], "{filtered}");
    assert_eq!(set.ask(LIVE), ["Company 1", "Company 2", "Company 3"]);
}
