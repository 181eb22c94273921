//! Shared secrets: where they may be kept, and what is told of them.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::PermissionsExt;

use super::*;
use crate::admission::secrets::{Presented, Proof};
use crate::config::{Problems, SecretPlace};
use crate::setup::{Roles, load_to_serve, warnings};
use crate::tenants::Tenants;

/// 16 bytes.
const GOOD: &str = "whsec_c2l4dGVlbiBieXRlcyBvaw==";

/// The variables that these tests know.
fn environment(name: &OsStr) -> Option<OsString> {
    Some(match name.to_str()? {
        "GOOD" => format!("{GOOD}\n").into(),
        "UNPADDED" => GOOD.trim_end_matches('=').into(),
        "CRLF" => format!("{GOOD}\r\n").into(),
        "OTHER" => "another-secret-of-some-length".into(),
        "SHORT" => "canary".into(),
        "SHORT_KEY" => "whsec_Y2FuYXJ5".into(),
        "DAMAGED" => "whsec_canary-canary-canary-canary".into(),
        "EMPTY" => "\n".into(),
        "BLANK" => "canary canary canary".into(),
        "TWO_LINES" => "canary-canary-canary\ncanary-canary-canary".into(),
        "LINE" => format!("secret = \"{GOOD}\"\n").into(),
        "MARKED" => format!("\u{feff}{GOOD}\r\n").into(),
        "VERSIONED" => format!("v1,{GOOD}").into(),
        "QUOTED" => format!("\"{GOOD}\"").into(),
        "ASSIGNED" => format!("SECRET={GOOD}").into(),
        "UMLAUT" => "canary-cänary-canary".into(),
        "BYTES" => OsString::from_vec(b"canary-\xff-canary".to_vec()),
        "LONG" => "c".repeat(4_097).into(),
        _ => return None,
    })
}

fn read(text: &str) -> Result<Config, Problems> {
    let read = load_to_serve(
        Some((Path::new("weir.toml"), text)),
        &Overrides::default(),
        Roles::default(),
        &environment,
    );
    read.map(|to_serve| to_serve.config)
}

/// The sample, with `lines` in its publisher.
fn with(lines: &str) -> String {
    sample("topic = \"Ti", &format!("{lines}\ntopic = \"Ti"))
}

/// The one problem of the sample with the secret `place`.
#[track_caller]
fn problem(place: &str) -> String {
    let found = read(&with(&format!("secrets = [{place}]"))).unwrap_err();
    let [line] = found.lines() else { panic!("not one problem: {found}") };
    assert!(!line.contains("canary"), "{line}");
    let told = line.strip_prefix("publishers.tickets.secrets[0]: ");
    told.unwrap_or_else(|| panic!("{line}")).to_owned()
}

#[test]
fn secrets_come_from_files_and_the_environment_and_their_source_knows_them_all() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("secret");
    fs::write(&file, "a-secret-from-a-file\n").unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
    let text = with(&format!(
        "secrets = [{{ env = 'GOOD' }}, {{ file = {file:?} }}, {{ env = 'CRLF' }}, {{ env = 'MARKED' }}]"
    ));
    let config = read(&text).unwrap();
    assert_eq!(config.publishers["tickets"].secrets[1], SecretPlace::File(file));
    assert_eq!(warnings(&config, None, &Roles::default()).len(), 1, "more than that of the journal");

    let tenants = Tenants::from_config(&config);
    let source = &tenants.sources[0];
    let shown = |secret: &str| {
        let presented = Presented { secret: secret.as_bytes(), tenant: Some(b"acme") };
        presented.secret_of(&source.tenant.gainsight_id, &source.secrets)
    };
    assert_eq!((source.secrets.len(), source.publishers[0].secrets.len()), (2, 2));
    for secret in [GOOD, "a-secret-from-a-file"] {
        let shown = [shown(secret).unwrap()];
        assert!(Proof::Secrets(&shown).holds(&source.publishers[0].secrets), "{secret}");
    }
    assert!(shown("another-secret-of-some-length").is_err());
}

#[test]
fn a_secret_in_clear_is_refused_with_what_to_write_instead() {
    for clear in
        ["'canary'", "{ secret = 'canary' }", "{ file = 'canary', env = 'canary' }", "{}", "{ env = ' ' }"]
    {
        let told = problem(clear);
        assert!(
            told.starts_with("must be { file = \"…\" } or { env = \"NAME\" }; the configuration never"),
            "{told}"
        );
    }
    let list = read(&with("secrets = 'canary'")).unwrap_err().to_string();
    assert_eq!(list, "publishers.tickets.secrets: must be a list");
}

#[test]
fn what_can_not_be_a_secret_is_a_problem_that_does_not_show_it() {
    for (place, told) in [
        ("{ env = 'canary' }", "its environment variable is not set"),
        ("{ env = 'EMPTY' }", "its environment variable is empty"),
        ("{ env = 'BLANK' }", "its environment variable contains blanks, or a comment"),
        ("{ env = 'TWO_LINES' }", "its environment variable has several lines"),
        ("{ env = 'LINE' }", "keep only the text between the quotes"),
        ("{ env = 'UMLAUT' }", "visible ASCII characters without blanks"),
        ("{ env = 'BYTES' }", "visible ASCII characters without blanks"),
        ("{ env = 'LONG' }", "has more than 4096 bytes"),
        ("{ file = '/nowhere/canary' }", "its file can't be read: No such file"),
        ("{ file = '/dev/null' }", "its file is empty"),
        ("{ file = '/dev/zero' }", "its file has more than 4096 bytes"),
        ("{ file = '/' }", "its file can't be read"),
    ] {
        let line = problem(place);
        assert!(line.contains(told), "{line:?} does not tell {told:?}");
    }
}

#[test]
fn problems_of_secrets_are_told_together_with_all_others() {
    let text = with("require_secret = true")
        + "[limits]\ndepth = 0\n[publishers.p]\ntenant = 'acme'\ntopic = 'T'\nsecrets = [{ env = 'EMPTY' }]";
    let found = read(&text).unwrap_err();
    let keys: Vec<_> = found.lines().iter().map(|line| line.split(": ").next().unwrap()).collect();
    assert_eq!(keys, ["limits.depth", "publishers.tickets.require_secret", "publishers.p.secrets[0]"]);
}

#[test]
fn who_checks_no_secret_needs_none() {
    let config =
        loaded(&with("secrets = [{ env = 'NOT_SET' }, { file = '/nowhere' }]\nrequire_secret = true"));
    let publisher = &Tenants::from_config(&config).sources[0].publishers[0];
    assert!(publisher.require_secret && publisher.secrets.is_empty());
    assert!(!publisher.opens_to(Proof::NONE) && publisher.opens_to(Proof::Operator));
}

#[test]
fn tenants_share_no_secret_and_publishers_of_one_tenant_may() {
    let mine = with("secrets = [{ env = 'GOOD' }]");
    let audit = "[publishers.audit]\ntenant = 'acme'\ntopic = 'Audit'\n\
                 secrets = [{ env = 'OTHER' }, { env = 'GOOD' }]\n";
    let config = read(&(mine.clone() + audit)).unwrap();
    let [tickets, audit] = ["tickets", "audit"].map(|id| config.secrets.of(id));
    assert_eq!((tickets.len(), audit.len()), (1, 2));
    assert_eq!(tickets[0].id(), audit[1].id());

    let zap = "[tenants.zap]\ntopic_prefix = 'zap.'\n[publishers.zap]\ntenant = 'zap'\ntopic = 'Z'\n\
               secrets = [{ env = 'OTHER' }, { env = 'CRLF' }]";
    // The same key without its padding verifies the same signatures.
    for zap in [zap.to_owned(), zap.replace("CRLF", "UNPADDED")] {
        let found = read(&(mine.clone() + &zap)).unwrap_err();
        assert_eq!(
            found.lines(),
            ["publishers.zap.secrets[1]: publishers.tickets, of another tenant, has the same secret; give \
              each its own"]
        );
    }
}

#[test]
fn a_secret_that_works_but_is_weak_or_open_has_a_warning() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("secret");
    fs::write(&file, GOOD).unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o604)).unwrap();
    let open = format!("{{ file = {file:?} }}");
    for (place, told) in [
        ("{ env = 'SHORT' }", "has fewer than 16 bytes"),
        ("{ env = 'SHORT_KEY' }", "has fewer than 16 bytes"),
        ("{ env = 'DAMAGED' }", "verifies no signature"),
        ("{ env = 'VERSIONED' }", "verifies no signature; keep only the secret, from whsec_ on"),
        ("{ env = 'QUOTED' }", "verifies no signature; remove them"),
        ("{ env = 'ASSIGNED' }", "verifies no signature; keep only the secret, from whsec_ on"),
        (open.as_str(), "chmod 600"),
    ] {
        let config = read(&with(&format!("secrets = [{place}]"))).unwrap();
        let [line] = config.secrets.warnings() else { panic!("{:?}", config.secrets.warnings()) };
        assert!(line.starts_with("publishers.tickets.secrets[0]: ") && line.contains(told), "{line}");
        assert!(!line.contains("canary") && !line.contains(GOOD), "{line}");
        assert!(warnings(&config, None, &Roles::default()).contains(line));
    }
}

#[test]
fn a_secret_does_not_show_when_a_configuration_is_printed_for_debugging() {
    let shown = format!("{:?}", read(&with("secrets = [{ env = 'SHORT' }]")).unwrap());
    assert!(shown.contains("Secret(…)") && !shown.contains("canary"), "{shown}");
    let digest = crate::admission::keys::digest(b"canary");
    assert!(!shown.contains(&format!("{digest:?}")), "{shown}");
}

#[test]
fn the_id_that_gainsight_clients_send_leads_to_one_tenant() {
    let tenants = |lines: &str| format!("[tenants.a]\n{lines}\n[tenants.b]\ntopic_prefix = 'b.'\n");
    let ids = |text: &str| loaded(text).tenants["a"].gainsight_tenant_id.clone();
    assert_eq!(ids(&tenants("")), None);
    assert_eq!(ids(&tenants("gainsight_tenant_id = '1f-2E'")).as_deref(), Some("1f-2E"));
    let same = tenants("gainsight_tenant_id = 'b'");
    assert_problem(&same, "tenants.b.gainsight_tenant_id", "tenants.a has the same");
    for wrong in ["a b", "ä", "a\\n"] {
        let text = tenants(&format!("gainsight_tenant_id = \"{wrong}\""));
        assert_problem(&text, "tenants.a.gainsight_tenant_id", "visible ASCII");
    }
    let known =
        Tenants::from_config(&loaded(&sample("[tenants.acme]", "[tenants.acme]\ngainsight_tenant_id = 'G'")));
    assert_eq!(known.sources[0].tenant.gainsight_id, "G");
}

#[test]
fn all_that_send_have_an_index_of_their_own_whatever_their_tenant() {
    let publisher =
        |id: &str, tenant: &str| format!("[publishers.{id}]\ntenant = '{tenant}'\ntopic = '{id}'\n");
    let text = [
        "[tenants.a]\n[tenants.b]\ntopic_prefix = 'b.'\n[tenants.c]\ntopic_prefix = 'c.'\n[sources.s]\ntenant = 'b'\n",
        &publisher("p1", "a"),
        &publisher("p2", "c"),
        &publisher("p3", "a"),
    ];
    let tenants = Tenants::from_config(&loaded(&text.concat()));
    assert_eq!(tenants.sender_ids(), ["s", "p1", "p3", "p2"]);
    let indices: Vec<_> = tenants.sources.iter().chain(tenants.publishers()).map(|one| one.index).collect();
    assert_eq!(indices, [0, 1, 2, 3]);
    let sources: Vec<_> = tenants.publishers().map(|one| one.ce_source.as_str()).collect();
    assert_eq!(sources, ["/a/p1", "/a/p3", "/c/p2"]);
}
