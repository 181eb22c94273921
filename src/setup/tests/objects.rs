//! The objects of the store that tenants declare.

use super::*;

/// The sample with these lines behind it.
fn with(lines: &str) -> String {
    format!("{SAMPLE}\n{lines}")
}

#[test]
fn an_object_of_ones_own_needs_keys_and_a_name_that_says_so() {
    assert_problem(
        &with("[tenants.acme.objects.deal__gc]"),
        "tenants.acme.objects.deal__gc.keys",
        "list them",
    );
    let named = |name: &str| with(&format!("[tenants.acme.objects.{name}]\nkeys = ['Id__gc']"));
    assert!(problems(&named("deal__gc")).is_empty());
    for name in ["deal", "Deal__gc", "de-al__gc"] {
        assert_problem(&named(name), &format!("tenants.acme.objects.{name}"), "ends in __gc; rename it");
    }
    assert_problem(&named("person"), "tenants.acme.objects.person.keys", "remove this");
}

#[test]
fn a_field_has_one_of_the_known_types() {
    let field = |written: &str| with(&format!("[tenants.acme.objects.person.fields]\nF__gc = {written}"));
    for good in ["'string'", "'multi_picklist'", "{ type = 'gsid', object = 'company' }", "{ type = 'date' }"]
    {
        assert!(problems(&field(good)).is_empty(), "{good}");
    }
    let key = "tenants.acme.objects.person.fields.F__gc";
    assert_problem(&field("'text'"), key, "is no type; the types are string, number");
    for bad in [
        "7",
        "{ object = 'company' }",
        "{ type = 'date', object = 'company' }",
        "{ type = 'gsid', objct = 'x' }",
    ] {
        assert_problem(&field(bad), key, "must be the type of a field");
    }
}

#[test]
fn two_views_may_not_have_one_name() {
    let text = "[tenants.a]\ntopic_prefix = 'a.'\n[tenants.a_company]\ntopic_prefix = 'b.'\n";
    let alike = "[tenants.a-b]\ntopic_prefix = 'a.'\n[tenants.a_b]\ntopic_prefix = 'b.'\n";
    let store = "[store]\n";
    assert_problem(
        &with(&format!("{text}{store}")),
        "tenants.a_company.objects",
        "the view a_company_person would",
    );
    assert_problem(
        &with(&format!("{alike}{store}")),
        "tenants.a_b.objects",
        "the view a_b_person would show",
    );
    for harmless in [text, alike] {
        assert!(problems(&with(harmless)).is_empty(), "without a store there are no views");
    }
}
