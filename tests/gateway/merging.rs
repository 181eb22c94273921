//! `weir store merge`, beside a Weir that loads.

use crate::harness::wait_until;
use crate::harness::weir::{Weir, command, config};
use crate::store::ask;

fn group(name: &str, traits: &str, email: &str) -> String {
    format!(
        r#"{{"type":"group","userId":"{email}","groupId":"g","traits":{{"name":"{name}"{traits}}},
            "context":{{"traits":{{"email":"{email}"}}}}}}"#
    )
}

#[test]
fn group_calls_of_a_company_that_was_merged_reach_the_one_that_stays() {
    let text = config("[store]");
    let (weir, folder) = (Weir::with_config(&text), tempfile::tempdir().unwrap());
    let file = folder.path().join("weir.toml");
    std::fs::write(&file, text).unwrap();
    let run = |arguments: &[&str]| {
        let place = ["--data", weir.data().to_str().unwrap(), "--config", file.to_str().unwrap()];
        let output = command(&[&["store"], arguments, &place].concat()).output().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        (output.status.code(), text(output.stdout), text(output.stderr))
    };
    let send = |call: String| assert_eq!(weir.post("/v1/group", call).brief(), (200, "ok"));
    send(group("Acme Ltd", r#","industry":"Rockets""#, "ada@x.org"));
    send(group("Acme", "", "bob@x.org"));
    let names = "SELECT name FROM acme_company ORDER BY name";
    wait_until("both", || ask(weir.data(), names) == ["Acme", "Acme Ltd"]);
    let (code, said, told) = run(&["merge", "company", "Acme Ltd", "Acme"]);
    assert_eq!((code, told.as_str()), (Some(0), ""));
    assert_eq!(said, "company Acme Ltd of tenant acme is part of Acme now, with 1 link\n");
    send(group("Acme Ltd", r#","employees":7"#, "eve@x.org"));
    let one = "SELECT name, industry, employees FROM acme_company";
    wait_until("the later call", || ask(weir.data(), one) == ["Acme|Rockets|7"]);
    let links = "SELECT person_email, company_name FROM acme_company_person ORDER BY 1";
    wait_until("its link", || {
        ask(weir.data(), links) == ["ada@x.org|Acme", "bob@x.org|Acme", "eve@x.org|Acme"]
    });
    let (_, shown, _) = run(&["show", "company", "Acme Ltd"]);
    assert!(shown.contains("  part of     Acme\n") && shown.contains("\"Acme Ltd\""), "{shown}");
    let shown: serde_json::Value =
        serde_json::from_str(&run(&["show", "company", "Acme", "--json"]).1).unwrap();
    assert_eq!(shown["parts"], serde_json::json!(["Acme Ltd"]));
    assert_eq!((shown["links"].as_array().unwrap().len(), &shown["part_of"]), (3, &serde_json::Value::Null));
    let (code, _, told) = run(&["merge", "company", "Acme", "Acme Ltd"]);
    assert!(
        code == Some(1) && told.contains("Acme Ltd is part of Acme, and not a company of its own"),
        "{told}"
    );
}
