//! Tokens: had once by all who need them, kept before use, and lost only when they are.

use std::sync::{Arc, Barrier};
use std::thread;

use jiff::Timestamp;
use weir::connect::source::{Source, SourceError};
use weir::connect::tokens::Grant;
use weir::connect::vault::Vault;
use weir::connect::zoho::client::Client;
use weir::connect::zoho::source::Zoho;

use super::bench::{Bench, deals, settings, wanted};
use super::memory::{MemoryMeter, MemoryVault};

/// The time so many seconds ago, as vaults have it.
fn ago(seconds: i64) -> String {
    (Timestamp::now().as_second() - seconds).to_string()
}

#[test]
fn twenty_at_once_refresh_once() {
    let bench = Arc::new(Bench::new(deals(3)));
    let barrier = Arc::new(Barrier::new(20));
    let threads: Vec<_> = (0..20)
        .map(|_| {
            let (bench, barrier) = (Arc::clone(&bench), Arc::clone(&barrier));
            thread::spawn(move || {
                let mut source = bench.source();
                barrier.wait();
                source.test().unwrap()
            })
        })
        .collect();
    for thread in threads {
        assert!(thread.join().unwrap().contains("1 modules"));
    }
    assert_eq!(bench.served.org().accounts.requests, 1);
}

#[test]
fn twenty_whose_token_is_refused_at_once_get_one_other() {
    let bench = Arc::new(Bench::new(deals(3)));
    bench.source().test().unwrap();
    bench.served.org().accounts.access.clear();
    let threads: Vec<_> = (0..20)
        .map(|_| {
            let bench = Arc::clone(&bench);
            thread::spawn(move || bench.source().test().unwrap())
        })
        .collect();
    threads.into_iter().for_each(|thread| drop(thread.join().unwrap()));
    assert_eq!(bench.served.org().accounts.requests, 2);
}

#[test]
fn a_token_that_ends_in_the_middle_is_renewed_and_the_page_read_again() {
    let mut org = deals(450);
    org.coql_refuses = Some("INVALID_QUERY");
    let mut pages = 0;
    org.hook = Some(Box::new(move |org, asked| {
        pages += usize::from(asked.path == "/crm/v8/Deals");
        if pages == 1 {
            org.accounts.access.clear();
        }
    }));
    let bench = Bench::new(org);
    assert_eq!(super::bench::by_id(bench.read(&wanted("Deals", &["Amount"]))).len(), 450);
    assert_eq!(bench.served.org().accounts.requests, 2);
}

#[test]
fn a_throttled_refresh_is_away_and_not_asked_again_at_once() {
    let bench = Bench::new(deals(3));
    bench.served.org().accounts.throttles = true;
    for _ in 0..3 {
        let error = bench.source().test().unwrap_err();
        assert!(matches!(&error, SourceError::Away(why) if why.contains("too many requests")), "{error:?}");
    }
    assert_eq!(bench.served.org().accounts.requests, 1);
    bench.served.org().accounts.throttles = false;
    bench.vault.hold("throttled_until_s", &ago(1));
    bench.source().test().unwrap();
    assert_eq!(bench.vault.held("throttled_until_s"), None);
}

#[test]
fn a_token_that_still_lives_is_used_while_no_other_can_be_had() {
    let bench = Bench::new(deals(3));
    bench.source().test().unwrap();
    bench.served.org().accounts.throttles = true;
    bench.vault.hold("access_renew_s", &ago(1));
    bench.source().test().unwrap();
    bench.vault.hold("access_expires_s", &ago(1));
    assert!(matches!(bench.source().test(), Err(SourceError::Away(_))));
}

#[test]
fn only_a_second_refusal_minutes_later_asks_somebody_to_authorize() {
    let bench = Bench::new(deals(3));
    bench.served.org().accounts.refresh.clear();
    for _ in 0..3 {
        assert!(matches!(bench.source().test(), Err(SourceError::Away(_))));
    }
    assert_eq!(bench.served.org().accounts.requests, 1, "it is not tried again at once");
    let since = ago(121);
    bench.vault.hold("invalid_since_s", &since);
    bench.vault.hold("invalid_tried_s", &since);
    for _ in 0..3 {
        let error = bench.source().test().unwrap_err();
        let day = Timestamp::now().strftime("%Y-").to_string();
        assert!(matches!(&error, SourceError::Authorize(why) if why.contains(&day)), "since when: {error:?}");
    }
    assert_eq!(bench.served.org().accounts.requests, 2);
    // It was Zoho's mistake.
    bench.served.org().accounts.refresh.insert("1000.refresh".to_owned());
    bench.vault.hold("invalid_tried_s", &ago(121));
    bench.source().test().unwrap();
    assert_eq!(bench.vault.held("invalid_since_s"), None);
}

#[test]
fn a_refresh_token_that_is_replaced_is_followed() {
    let bench = Bench::new(deals(3));
    bench.served.org().accounts.rotates = true;
    for _ in 0..3 {
        bench.source().test().unwrap();
        bench.vault.hold("access_renew_s", "0");
    }
    assert_eq!(bench.vault.held("refresh_token").as_deref(), Some("1000.refreshrrr"));
}

/// A vault that can't keep anything.
struct FullVault(MemoryVault);

impl Vault for FullVault {
    fn get(&mut self, field: &str) -> Result<Option<String>, SourceError> {
        self.0.get(field)
    }

    fn put(&mut self, _: &[(&str, Option<&str>)]) -> Result<(), SourceError> {
        Err(SourceError::Here("the disk is full".to_owned()))
    }

    fn lock(&mut self) -> Result<(), SourceError> {
        self.0.lock()
    }

    fn unlock(&mut self) {
        self.0.unlock();
    }
}

#[test]
fn a_token_that_was_not_kept_is_not_used() {
    let bench = Bench::new(deals(3));
    let vault = Box::new(FullVault(bench.vault.clone()));
    let client = Client::new(settings(&bench.served.url()), vault, Box::new(MemoryMeter::default())).unwrap();
    let mut source = Zoho::new(client, bench.folder.path().to_owned());
    assert!(matches!(source.test(), Err(SourceError::Here(_))));
    assert_eq!(bench.calls().len(), 0);
}

#[test]
fn codes_of_a_self_client_and_of_a_browser_give_tokens_once() {
    let bench = Bench::new(deals(3));
    bench.vault.hold("refresh_token", "");
    let redirect = "https://weir.example/oauth/callback";
    {
        let codes = &mut bench.served.org().accounts.codes;
        codes.insert("self".to_owned(), None);
        codes.insert("web".to_owned(), Some(redirect.to_owned()));
        codes.insert("web2".to_owned(), Some(redirect.to_owned()));
    }
    let authorize = |code, redirect_uri| {
        let grant = Grant { code, redirect_uri, accounts_url: None };
        bench.source().client().tokens().authorize(grant)
    };
    authorize("self", None).unwrap();
    assert_eq!(bench.vault.held("refresh_token").as_deref(), Some("1000.of-self"));
    authorize("web", Some(redirect)).unwrap();
    assert_eq!(bench.vault.held("refresh_token").as_deref(), Some("1000.of-web"));
    assert_eq!(bench.vault.held("api_domain"), Some(bench.served.url()));
    bench.source().test().unwrap();
    for (code, redirect) in [("web", Some(redirect)), ("web2", None), ("none", None)] {
        let error = authorize(code, redirect).unwrap_err();
        assert!(matches!(&error, SourceError::Settings(why) if why.contains("get another one")), "{error:?}");
    }
    bench.served.org().accounts.gives_no_refresh = true;
    bench.served.org().accounts.codes.insert("again".to_owned(), None);
    let error = authorize("again", None).unwrap_err();
    assert!(matches!(&error, SourceError::Settings(why) if why.contains("no refresh token")), "{error:?}");
    assert_eq!(bench.vault.held("refresh_token").as_deref(), Some("1000.of-web"), "the old one stays");
}

#[test]
fn a_client_that_is_not_known_is_a_matter_of_settings() {
    let bench = Bench::new(deals(3));
    bench.vault.hold("client_secret", "wrong");
    let error = bench.source().test().unwrap_err();
    assert!(matches!(&error, SourceError::Settings(why) if why.contains("client_secret")), "{error:?}");
    let bench = Bench { vault: MemoryVault::default(), ..bench };
    let error = bench.source().test().unwrap_err();
    assert!(matches!(&error, SourceError::Authorize(why) if why.contains("authorize")), "{error:?}");
}

#[test]
fn an_api_of_another_data_centre_is_named() {
    let (bench, other) = (Bench::new(deals(3)), Bench::new(deals(3)));
    bench.served.org().accounts.api_domain = Some(other.served.url());
    let error = bench.source().test().unwrap_err();
    let SourceError::Settings(why) = &error else { panic!("{error:?}") };
    assert!(why.contains(&bench.served.url()) && why.contains(&other.served.url()), "{why}");
    assert!(why.contains("data_center"), "{why}");
    assert_eq!(bench.served.org().accounts.requests, 2, "one other token, one other try");
}

#[test]
fn the_api_is_where_the_token_says_unless_the_settings_say_otherwise() {
    let (bench, api) = (Bench::new(deals(3)), Bench::new(deals(3)));
    {
        let accounts = &mut bench.served.org().accounts;
        accounts.api_domain = Some(api.served.url());
        api.served.org().accounts.access.push_back("1000.access-1".to_owned());
    }
    bench.source().test().unwrap();
    assert_eq!((bench.calls().len(), api.calls().len()), (0, 1));
    bench.served.org().accounts.api_domain = Some("http://169.254.0.1".to_owned());
    bench.vault.hold("access_renew_s", "0");
    let error = bench.source().test().unwrap_err();
    assert!(matches!(&error, SourceError::Settings(why) if why.contains("api_url")), "{error:?}");
}

#[test]
fn scopes_that_are_missing_ask_for_another_authorization() {
    let bench = Bench::new(deals(3));
    let fault = super::org::Fault::Says(401, "OAUTH_SCOPE_MISMATCH");
    bench.served.org().faults.push_back(("/settings/modules", fault));
    let error = bench.source().test().unwrap_err();
    assert!(matches!(&error, SourceError::Authorize(why) if why.contains("scopes")), "{error:?}");
}
