//! What the parts of a configuration say about each other, and the maps.

use super::*;

#[test]
fn an_id_is_short_and_plain_and_the_star_is_for_the_defaults() {
    let long = "a".repeat(65);
    for id in ["\"Acme Corp\"", "Acme", "\"\"", "\"é\"", long.as_str()] {
        assert_problem(&format!("[tenants.{id}]"), &format!("tenants.{id}"), "1 to 64 characters of a-z");
    }
    loaded(&format!("[tenants.{}]", "a-_9".repeat(16)));
    assert_problem("[tenants.\"*\"]", "tenants.\"*\"", "defaults only");
}

#[test]
fn sources_and_publishers_share_one_name_space() {
    let text = sample("[publishers.tickets]", "[publishers.web]").replace("[\"tickets\"]", "[\"web\"]");
    assert_problem(&text, "publishers.web", "a source has this id too");
}

#[test]
fn a_reference_names_something_that_exists() {
    let tenant = sample("[sources.web]\ntenant = \"acme\"", "[sources.web]\ntenant = \"acne\"");
    let found = problems(&tenant);
    let unknown = "sources.web.tenant: there is no [tenants.acne]; add it; did you mean acme?";
    assert!(found.iter().any(|line| line == unknown), "{found:#?}");
    assert_problem(
        &sample("publishers = [\"tickets\"]", "publishers = [\"tickets\", \"ticket\"]"),
        "sources.web.publishers[1]",
        "did you mean tickets?",
    );
    let text = sample("[publishers.tickets]\ntenant = \"acme\"", "[publishers.tickets]\ntenant = \"nobody\"");
    assert!(problems(&text).iter().any(|line| line.starts_with("publishers.tickets.tenant: there is no")));
}

#[test]
fn what_has_no_default_must_be_given() {
    for (line, key) in [
        ("topic = \"Ticket Actions\"\n", "publishers.tickets.topic"),
        (", version = \"1.0.0\"", "publishers.tickets.events.\"Ticket Closure\".version"),
        ("name = \"Ticket Closed\", ", "publishers.tickets.events.\"Ticket Closure\".name"),
    ] {
        assert_problem(&sample(line, ""), key, "is missing");
    }
    assert_problem("[sources.lone]", "sources.lone.tenant", "is missing");
}

#[test]
fn a_blank_text_is_not_a_name() {
    for (line, blank, key) in [
        ("topic = \"Ticket Actions\"", "topic = \" \"", "publishers.tickets.topic"),
        ("contract = \"standard\"", "contract = \"\"", "publishers.tickets.contract"),
        ("\"gold\"", "\" \"", "publishers.tickets.contracts[1]"),
        ("\"1.0.0\"", "\"\"", "publishers.tickets.events.\"Ticket Closure\".version"),
        ("\"Ticket Closed\"", "\" \"", "publishers.tickets.events.\"Ticket Closure\".name"),
        ("\"Ticket Closure\"", "\" \"", "publishers.tickets.events"),
    ] {
        let found = problems(&sample(line, blank));
        assert_eq!(found.len(), 1, "{found:#?}");
        assert!(found[0].starts_with(&format!("{key}: ")), "{found:#?}");
    }
}

#[test]
fn a_source_uses_publishers_of_its_own_tenant_each_once() {
    let other = "[tenants.other]\ntopic_prefix = 'other.'\n";
    let crossing =
        sample("[publishers.tickets]\ntenant = \"acme\"", "[publishers.tickets]\ntenant = \"other\"");
    assert_problem(&(crossing + other), "sources.web.publishers[0]", "belongs to another tenant");
    let twice = sample("publishers = [\"tickets\"]", "publishers = [\"tickets\", \"tickets\"]");
    assert_problem(&twice, "sources.web.publishers[1]", "is listed twice");
}

#[test]
fn a_key_opens_one_source_only() {
    let hash = "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    let app = format!("[sources.zap]\ntenant = 'acme'\nkeys = ['{hash}']\n");
    assert_problem(&(SAMPLE.to_owned() + &app), "sources.zap.keys", "is also in sources.web");
    let twice = sample(&format!("[\"{hash}\"]"), &format!("[\"{hash}\", \"{hash}\"]"));
    assert_problem(&twice, "sources.web.keys", "is also in sources.web");
}

#[test]
fn one_event_may_go_to_two_publishers_of_a_source() {
    let text = sample("publishers = [\"tickets\"]", "publishers = [\"tickets\", \"audit\"]");
    let audit = "[publishers.audit]\ntenant = 'acme'\ntopic = 'Audit'\n\
                 events.'Ticket Closure' = { name = 'Seen', version = '2' }\n";
    let config = loaded(&(text + audit));
    assert_eq!(config.sources["web"].publishers, ["tickets", "audit"]);
}

#[test]
fn a_map_leads_to_custom_or_standard_fields_of_its_own_object() {
    loaded(
        "[tenants.a.person_fields]\nplan = 'Plan__gc'\nmail = 'Email'\n[tenants.a.company_fields]\nx = 'Arr'",
    );
    for (text, key) in [
        ("[tenants.a.person_fields]\nplan = 'Plan'", "tenants.a.person_fields.plan"),
        ("[tenants.a.person_fields]\nplan = '__gc'", "tenants.a.person_fields.plan"),
        ("[tenants.a.person_fields]\nrevenue = 'Arr'", "tenants.a.person_fields.revenue"),
        ("[tenants.a.company_fields]\nmail = 'Email'", "tenants.a.company_fields.mail"),
    ] {
        assert_problem(text, key, "must end in __gc or be a standard field of");
    }
    let close = "[tenants.a.company_fields]\nceo = 'CompanyTyp'";
    assert_problem(close, "tenants.a.company_fields.ceo", "did you mean CompanyType?");
}

#[test]
fn a_map_row_that_can_never_apply_is_refused() {
    for name in ["email", "name", "firstName", "middlename", "Gsid", "companies", "masterAvatarTypeCode"] {
        let text = format!("[tenants.a.person_fields]\n{name} = 'X__gc'");
        assert_problem(&text, &format!("tenants.a.person_fields.{name}"), "can never apply");
    }
    for name in ["name", "Nps", "arr", "customerLifetimeInMonths"] {
        let text = format!("[tenants.a.company_fields]\n{name} = 'X__gc'");
        assert_problem(&text, &format!("tenants.a.company_fields.{name}"), "can never apply");
    }
    // RudderStack lets these two be mapped, and a trait is reserved only for its own object.
    loaded("[tenants.a.company_fields]\nsummary = 'S__gc'\nindustryNew = 'I__gc'\nemail = 'E__gc'");
    let blank = "[tenants.a.person_fields]\n' ' = 'X__gc'";
    assert_problem(blank, "tenants.a.person_fields.\" \"", "a blank name matches no trait");
}
