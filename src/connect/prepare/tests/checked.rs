//! What is wrong with a job is said before anything is read.

use super::*;

fn problems(job: &Job, known: &Known) -> Vec<String> {
    check(job, known).unwrap_err().lines().to_vec()
}

#[test]
fn all_that_is_wrong_is_said_at_once_each_with_its_key_and_the_nearest_name() {
    let known =
        known(&[("accounts", ACCOUNTS), ("deals", &[("id", CellType::Text), ("Amount", CellType::Text)])]);
    let mut job = job(&[("accounts", &["id", "Nmae", "Employees"]), ("deals", &["id", "Amount"])], "both");
    job.datasets.get_mut("accounts").unwrap().filter = Some(filter(
        "A AND B AND C AND D",
        vec![
            condition("Employes", Comparison::Equals, &["1"]),
            condition("Employees", Comparison::Contains, &["1"]),
            condition("Employees", Comparison::Less, &["many"]),
            condition("Open", Comparison::Greater, &["true"]),
        ],
    ));
    job.merges.push((
        "both".to_owned(),
        merge(
            "deals",
            "accounts",
            Join::Left,
            &[("id", "Idd"), ("id", "Name")],
            &[("id", "deals", "id"), ("x", "both", "id"), ("y", "deals", "Amuont")],
        ),
    ));
    job.merges.push(("again".to_owned(), merge("boht", "deals", Join::Left, &[], &[])));
    job.merges.push(("self".to_owned(), merge("deals", "deals", Join::Left, &[], &[])));
    let mut total = transform(
        "Total",
        Rule::Formula(formula(Function::Add, &[field("Amount"), Operand::Value(text("one"))])),
    );
    total.dataset = "deals".to_owned();
    job.transforms.push(total);
    job.transforms.push(transform("Employees", Rule::Formula(formula(Function::Upper, &[field("id")]))));
    job.transforms.push(Transform {
        dataset: "nowhere".to_owned(),
        ..transform("x", Rule::Formula(formula(Function::Upper, &[field("id")])))
    });
    job.destination.external_id = "idd".to_owned();
    job.destination
        .fields
        .insert("Name".to_owned(), FieldMap { from: "Zzz".to_owned(), on_empty: OnEmpty::Clear });
    let said = problems(&job, &known);
    assert_eq!(
        said,
        [
            "jobs.j.datasets.accounts.fields[1]: there is no field Nmae; did you mean Name?",
            "jobs.j.datasets.accounts.conditions.A.field: there is no field Employes; did you mean Employees?",
            "jobs.j.datasets.accounts.conditions.B.is: only texts have contains, starts_with and ends_with; use \
             equals, in, less or greater",
            "jobs.j.datasets.accounts.conditions.C.value: Employees is compared with a number",
            "jobs.j.datasets.accounts.conditions.D.is: true and false have no order; use equals",
            "jobs.j.transforms[1].field: there is a field Employees; choose another name",
            "jobs.j.transforms[0].formula.args[0]: has to be a number, and is another kind of value; put \
             to_number around it",
            "jobs.j.transforms[0].formula.args[1]: has to be a number",
            "jobs.j.merges.both.on[0]: there is no field Idd; did you mean id?",
            "jobs.j.merges.both.on[1]: Name is not read; add it to jobs.j.datasets.accounts.fields",
            "jobs.j.merges.both.fields.x: both is no side of it; take it from deals or accounts",
            "jobs.j.merges.both.fields.y: there is no field Amuont; did you mean Amount?",
            "jobs.j.merges.again.left: there is no dataset boht; did you mean both?",
            "jobs.j.merges.self.right: is the left one, too; read the object twice, as two datasets",
            "jobs.j.transforms[2].dataset: there is no dataset nowhere; there are accounts, deals, both",
            "jobs.j.destination.external_id: there is no field idd; did you mean id?",
            "jobs.j.destination.fields.Name: there is no field Zzz; there are id",
        ]
    );
}

#[test]
fn what_is_read_are_the_fields_and_what_is_named_beside_them() {
    let mut job = job(&[("accounts", &["id", "Parent.id"])], "accounts");
    job.datasets.get_mut("accounts").unwrap().filter =
        Some(filter("A", vec![condition("Mail", Comparison::IsNull, &[])]));
    job.destination.lookups.push(Lookup {
        field: "ParentCompany".to_owned(),
        object: "company".to_owned(),
        pairs: vec![("Parent.name".to_owned(), "Name".to_owned())],
        on_many: OnMany::Any,
        on_none: OnNone::Null,
    });
    let plan = check(&job, &known(&[("accounts", ACCOUNTS)])).unwrap();
    let read: Vec<_> = plan.reads()["accounts"].iter().map(|(field, _)| field.clone()).collect();
    assert_eq!(read, ["id", "Parent", "Mail", "Parent.name"]);
    assert_eq!(
        (plan.column("Parent.id"), plan.column("Parent"), plan.column("nowhere")),
        (Some(1), Some(1), None)
    );
    // Where nothing is known of a dataset, its fields are text.
    let plan = check(&job, &Known::new()).unwrap();
    assert!(plan.reads()["accounts"].iter().all(|(_, kind)| *kind == CellType::Text));
}

#[test]
fn the_type_of_what_is_worked_out_is_that_of_what_it_may_be() {
    let value = |literal: Literal| Operand::Value(literal);
    let cases = |then: Vec<Operand>| {
        let mut then = then.into_iter().rev();
        let otherwise = then.next();
        let case = |then| Case { filter: filter("A", vec![condition("id", Comparison::IsNull, &[])]), then };
        Rule::Cases { cases: then.map(case).collect(), otherwise }
    };
    for (rule, kind) in [
        (cases(vec![field("Since"), value(text("2026-01-01"))]), CellType::Time),
        (cases(vec![field("Since"), value(text("soon"))]), CellType::Text),
        (cases(vec![field("Employees"), value(text("0"))]), CellType::Number),
        (cases(vec![field("Employees"), field("Since")]), CellType::Text),
        (cases(vec![value(Literal::Boolean(true)), value(Literal::Boolean(false))]), CellType::Boolean),
        (Rule::Formula(formula(Function::Lower, &[field("Mail")])), CellType::Email),
        (Rule::Formula(formula(Function::Left, &[field("Mail"), value(text("3"))])), CellType::Text),
        (Rule::Formula(formula(Function::Length, &[field("Name")])), CellType::Number),
        (Rule::Formula(formula(Function::ToDate, &[field("Name")])), CellType::Date),
        (
            Rule::Formula(formula(Function::DaysBetween, &[field("Since"), value(text("2026-01-01"))])),
            CellType::Number,
        ),
        (
            Rule::Formula(formula(Function::Coalesce, &[field("Employees"), value(text("1"))])),
            CellType::Number,
        ),
    ] {
        let fields = ["id", "Since", "Employees", "Mail", "Name"];
        let mut job = job(&[("accounts", &fields)], "accounts");
        job.transforms.push(transform("New", rule.clone()));
        let plan = check(&job, &known(&[("accounts", ACCOUNTS)])).unwrap();
        assert_eq!(plan.columns().last().unwrap().kind, kind, "{rule:?}");
    }
}

#[test]
fn partners_are_told_by_the_fields_of_the_source_that_merges_compare() {
    let text = CellType::Text;
    let known = known(&[
        ("accounts", &[("id", text), ("Owner", text)]),
        ("deals", &[("id", text), ("Account", text)]),
        ("users", &[("id", text), ("Mail", text)]),
    ]);
    let datasets: [(&str, &[&str]); 3] =
        [("accounts", &["id", "Owner"]), ("deals", &["id", "Account"]), ("users", &["id", "Mail"])];
    let mut job = job(&datasets, "all");
    let mut upper = transform("Upper", Rule::Formula(formula(Function::Upper, &[field("Mail")])));
    upper.dataset = "users".to_owned();
    job.transforms.push(upper);
    let both = [("id", "deals", "id"), ("Owner", "accounts", "Owner")];
    let on = [("Account", "id")];
    job.merges.push(("both".to_owned(), merge("deals", "accounts", Join::Left, &on, &both)));
    let on = [("Owner", "id"), ("Owner", "Upper")];
    job.merges.push(("all".to_owned(), merge("both", "users", Join::Left, &on, &[("id", "both", "id")])));
    let plan = check(&job, &known).unwrap();
    let shown = |field: &plan::SourceField<'_>| format!("{}.{}", field.dataset, field.field);
    let pairs: Vec<String> =
        plan.partners().iter().map(|pair| pair.each_ref().map(shown).join(" = ")).collect();
    assert_eq!(pairs, ["deals.Account = accounts.id", "accounts.Owner = users.id"]);
}
