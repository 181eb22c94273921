//! The routes: the whole table in one place, with what answers each; and the pages of the operators' listener.

use std::borrow::Cow;

use super::bulk::Bulk;
use crate::config::Paths;
use crate::event::kind::CallType;
use crate::pipeline::Call;
use crate::pipeline::gainsight::Operation;

/// What answers a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Endpoint {
    /// Takes events.
    Events(Call),
    /// Takes a batch from a page that is closing, which can't set headers.
    Beacon,
    /// Takes an event of this type as the parameters of an image's URL.
    Pixel(CallType),
    /// Tells an SDK about its source, in place of RudderStack's control plane.
    SourceConfig,
    /// Takes what an SDK reports about itself, and ignores it.
    SdkMetrics,
    /// Stands in for Gainsight.
    Gainsight(Operation),
    /// Takes files for jobs.
    Bulk(Bulk),
    /// Says whether Weir takes events.
    Health,
    /// Says which Weir this is.
    Version,
    /// Tells crawlers to stay away.
    Robots,
}

/// A path and what answers there.
#[derive(Clone, Copy, Debug)]
pub struct Route {
    /// The path, also its label in metrics and its name in quarantine.
    pub path: &'static str,
    /// What answers.
    pub endpoint: Endpoint,
}

const fn one(path: &'static str, call: CallType) -> Route {
    Route { path, endpoint: Endpoint::Events(Call::One(call)) }
}

/// The webhook of one source, which its path names.
const WEBHOOK_OF_SOURCE: &str = "/webhook/{source}";

/// A file for the job that the path names, or the run of one.
const BULK: &str = "/v1/bulk/{job}";
const IMPORT_STATUS: &str = "/v1.0/admin/connector/job/bulkimport/status/{run}";

/// The routes whose last part is a name, and what stands before that.
const NAMED: [(&str, &str); 3] = [
    ("/webhook/", WEBHOOK_OF_SOURCE),
    ("/v1/bulk/", BULK),
    ("/v1.0/admin/connector/job/bulkimport/status/", IMPORT_STATUS),
];

const fn gainsight(path: &'static str, operation: Operation) -> Route {
    Route { path, endpoint: Endpoint::Gainsight(operation) }
}

/// Every route.
pub const ROUTES: &[Route] = &[
    Route { path: "/v1/batch", endpoint: Endpoint::Events(Call::Batch) },
    one("/v1/track", CallType::Track),
    one("/v1/identify", CallType::Identify),
    one("/v1/group", CallType::Group),
    one("/v1/page", CallType::Page),
    one("/v1/screen", CallType::Screen),
    one("/v1/alias", CallType::Alias),
    one("/v1/merge", CallType::Merge),
    Route { path: "/v1/import", endpoint: Endpoint::Events(Call::Import) },
    Route { path: "/beacon/v1/batch", endpoint: Endpoint::Beacon },
    Route { path: "/pixel/v1/track", endpoint: Endpoint::Pixel(CallType::Track) },
    Route { path: "/pixel/v1/page", endpoint: Endpoint::Pixel(CallType::Page) },
    Route { path: "/sourceConfig", endpoint: Endpoint::SourceConfig },
    Route { path: "/rsaMetrics", endpoint: Endpoint::SdkMetrics },
    Route { path: "/v1/webhook", endpoint: Endpoint::Events(Call::Webhook) },
    Route { path: WEBHOOK_OF_SOURCE, endpoint: Endpoint::Events(Call::Webhook) },
    Route { path: "/", endpoint: Endpoint::Health },
    Route { path: "/health", endpoint: Endpoint::Health },
    Route { path: "/version", endpoint: Endpoint::Version },
    Route { path: "/robots.txt", endpoint: Endpoint::Robots },
    gainsight("/v1.0/api/people", Operation::People),
    gainsight("/v1/data/objects/query/Company", Operation::CompanyQuery),
    gainsight("/v1/data/objects/Company", Operation::Company),
    gainsight("/v1.0/api/eventManager/event", Operation::Event),
    Route { path: BULK, endpoint: Endpoint::Bulk(Bulk::Own) },
    Route { path: "/v1.0/admin/connector/job/bulkimport", endpoint: Endpoint::Bulk(Bulk::Import) },
    Route { path: IMPORT_STATUS, endpoint: Endpoint::Bulk(Bulk::Status) },
];

/// A page of the operators' listener.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AdminPage {
    /// The metrics.
    Metrics,
    /// Says that the process answers.
    Alive,
    /// Says whether the process can do what it is there for.
    Ready,
    /// Describes every route, for programs.
    OpenApi,
    /// The same, to read.
    Docs,
    /// Where browsers come back with somebody's consent.
    Consent,
}

/// Every route of the operators' listener; all of them know GET and HEAD.
pub const ADMIN_ROUTES: &[(&str, AdminPage)] = &[
    ("/metrics", AdminPage::Metrics),
    ("/livez", AdminPage::Alive),
    ("/readyz", AdminPage::Ready),
    ("/openapi.json", AdminPage::OpenApi),
    ("/docs", AdminPage::Docs),
    ("/oauth/callback", AdminPage::Consent),
];

impl Endpoint {
    /// The methods it knows, as an `Allow` header.
    pub fn allow(self) -> &'static str {
        match self {
            Endpoint::Events(Call::Webhook) => "POST, PUT, PATCH",
            Endpoint::Events(Call::One(_) | Call::Batch | Call::Import) => "POST",
            Endpoint::Beacon | Endpoint::SdkMetrics => "POST",
            // Not HEAD, which must not change anything.
            Endpoint::Pixel(_) => "GET",
            Endpoint::Gainsight(Operation::CompanyQuery | Operation::Event) => "POST",
            Endpoint::Gainsight(Operation::People) => "PUT",
            Endpoint::Gainsight(Operation::Company) => "POST, PUT",
            Endpoint::Bulk(Bulk::Own) => "POST, GET",
            Endpoint::Bulk(Bulk::Import) => "POST",
            Endpoint::Bulk(Bulk::Status) => "GET",
            Endpoint::Health | Endpoint::Version | Endpoint::Robots | Endpoint::SourceConfig => "GET, HEAD",
        }
    }

    /// What it makes of a body or a query with events; none where it takes none of RudderStack's.
    pub fn call(self) -> Option<Call> {
        match self {
            Endpoint::Events(call) => Some(call),
            Endpoint::Beacon => Some(Call::Batch),
            Endpoint::Pixel(call) => Some(Call::One(call)),
            _ => None,
        }
    }

    /// What to tell who uses another method; empty where SDKs know rudder-server's empty answer.
    pub fn advice(self) -> &'static str {
        match self {
            // RudderStack shows it to whoever set up the destination.
            Endpoint::Events(Call::Webhook) => {
                "events come in the body: set the destination's request method to POST, PUT or PATCH"
            }
            _ => "",
        }
    }

    /// Whether it knows `method`.
    pub fn knows(self, method: &str) -> bool {
        self.allow().split(", ").any(|known| known == method)
    }
}

/// The labels of all routes in metrics.
pub fn labels() -> impl Iterator<Item = &'static str> {
    ROUTES.iter().map(|route| route.path)
}

/// The route at `path`. Doubled and trailing slashes are forgiven: some SDKs join URLs carelessly.
pub fn find(path: &str) -> Option<&'static Route> {
    let path = normalised(path);
    let pattern = of_named(&path).unwrap_or(&path);
    ROUTES.iter().find(|route| route.path == pattern)
}

/// The route that `path` leads to by a prefix or an alias of `paths`. It is no route's own path: most requests have
/// that, and need not come here.
pub fn find_by(paths: &Paths, path: &str) -> Option<&'static Route> {
    let path = normalised(path);
    let below = paths.prefix.as_deref().and_then(|prefix| path.strip_prefix(prefix));
    let path = match below {
        Some("") => "/",
        Some(rest) if rest.starts_with('/') => rest,
        _ => &path,
    };
    find(paths.aliases.get(path).map_or(path, String::as_str))
}

/// The source that the `path` of a request names, if its `route` has one in its path.
pub fn source_named<'p>(route: &str, path: &'p str) -> Option<&'p str> {
    let named = path.rsplit('/').find(|part| !part.is_empty());
    named.filter(|_| route == WEBHOOK_OF_SOURCE)
}

/// The route of a `path` whose last part is a name.
fn of_named(path: &str) -> Option<&'static str> {
    let is_name = |name: &str| !name.is_empty() && !name.contains('/');
    NAMED.iter().find(|(before, _)| path.strip_prefix(before).is_some_and(is_name)).map(|(_, route)| *route)
}

fn normalised(path: &str) -> Cow<'_, str> {
    let trailing = path.len() > 1 && path.ends_with('/');
    if !trailing && !path.contains("//") {
        return Cow::Borrowed(path);
    }
    let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
    Cow::Owned(format!("/{}", parts.join("/")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trap_8_doubled_and_trailing_slashes_are_forgiven() {
        for path in ["/v1/track", "/v1/track/", "//v1/track", "/v1//track///"] {
            assert_eq!(find(path).map(|route| route.path), Some("/v1/track"), "{path}");
        }
        assert_eq!(find("//").map(|route| route.path), Some("/"));
    }

    #[test]
    fn a_webhook_may_name_its_source_in_the_path() {
        for (path, source) in
            [("/webhook/web", "web"), ("//webhook/web/", "web"), ("/webhook/{source}", "{source}")]
        {
            assert_eq!(find(path).map(|route| route.path), Some("/webhook/{source}"), "{path}");
            assert_eq!(source_named("/webhook/{source}", path), Some(source), "{path}");
        }
        for path in ["/webhook", "/webhook/", "/webhook/a/b", "/v1/webhook/web"] {
            assert!(find(path).is_none(), "{path}");
        }
        assert_eq!(source_named("/v1/webhook", "/v1/webhook"), None);
    }

    #[test]
    fn a_file_names_its_job_in_the_path() {
        for (path, route) in [
            ("/v1/bulk/accounts", Some(BULK)),
            ("//v1/bulk/accounts/", Some(BULK)),
            ("/v1.0/admin/connector/job/bulkimport/status/a-1", Some(IMPORT_STATUS)),
            ("/v1.0/admin/connector/job/bulkimport", Some("/v1.0/admin/connector/job/bulkimport")),
            ("/v1/bulk", None),
            ("/v1/bulk/a/b", None),
        ] {
            assert_eq!(find(path).map(|route| route.path), route, "{path}");
        }
        assert!(find("/v1/bulk/a").unwrap().endpoint.knows("GET"));
        assert_eq!(source_named(BULK, "/v1/bulk/a"), None);
    }

    #[test]
    fn a_route_is_found_behind_a_prefix_and_by_its_aliases() {
        let aliases = [("/b", "/beacon/v1/batch"), ("/c/d", "/sourceConfig")];
        let owned = aliases.map(|(alias, route)| (alias.to_owned(), route.to_owned()));
        let paths = Paths { prefix: Some("/events".to_owned()), aliases: owned.into() };
        for (path, expected) in [
            ("/events/v1/track", Some("/v1/track")),
            ("//events//v1/track/", Some("/v1/track")),
            ("/events", Some("/")),
            ("/events/webhook/web", Some("/webhook/{source}")),
            ("/b", Some("/beacon/v1/batch")),
            ("/events/b/", Some("/beacon/v1/batch")),
            ("/c/d", Some("/sourceConfig")),
            ("/eventsv1/track", None),
            ("/eventss/v1/track", None),
            ("/events/events/v1/track", None),
            ("/other/v1/track", None),
            ("/b/v1", None),
        ] {
            assert_eq!(find_by(&paths, path).map(|route| route.path), expected, "{path}");
        }
        assert_eq!(source_named("/webhook/{source}", "/events/webhook/web/"), Some("web"));
        assert!(find_by(&Paths::default(), "/events/v1/track").is_none());
    }

    #[test]
    fn other_paths_are_unknown() {
        for path in ["", "/v1", "/V1/track", "/v1/Track", "/v1/%74rack", "/v1/trac", "/nope", "/v1/imports"] {
            assert!(find(path).is_none(), "{path}");
        }
    }

    #[test]
    fn methods_are_told_apart() {
        let endpoint = |path| find(path).unwrap().endpoint;
        assert!(endpoint("/v1/batch").knows("POST") && !endpoint("/v1/batch").knows("GET"));
        assert!(["POST", "PUT", "PATCH"].into_iter().all(|method| endpoint("/v1/webhook").knows(method)));
        assert!(!endpoint("/v1/webhook").knows("GET") && !endpoint("/v1/track").knows("PUT"));
        assert!(endpoint("/pixel/v1/track").knows("GET") && !endpoint("/pixel/v1/page").knows("HEAD"));
        assert!(endpoint("/sourceConfig/").knows("GET") && endpoint("/beacon/v1/batch").knows("POST"));
        assert!(endpoint("/health").knows("HEAD") && !endpoint("/health").knows("POST"));
        // By these, a replay knows what a rejected event came as.
        assert_eq!(endpoint("/pixel/v1/page").call(), Some(Call::One(CallType::Page)));
        assert_eq!(endpoint("/beacon/v1/batch").call(), Some(Call::Batch));
        assert_eq!(endpoint("/v1/import").call(), Some(Call::Import));
        assert_eq!(endpoint("/sourceConfig").call(), None);
        let company = endpoint("/v1/data/objects/Company");
        assert!(company.knows("POST") && company.knows("PUT") && !company.knows("GET"));
        assert!(endpoint("/v1.0/api/people").knows("PUT") && !endpoint("/v1.0/api/people").knows("POST"));
    }
}
