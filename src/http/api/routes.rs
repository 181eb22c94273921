//! What can be asked, in one table: requests are answered and described by it.

/// What a route does; each is what a command does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// `weir connection list`.
    Connections,
    /// `weir connection show`.
    Connection,
    /// `weir connection delete`.
    DeleteConnection,
    /// `weir connection test`.
    TestConnection,
    /// `weir connection objects`.
    Objects,
    /// The same of one object.
    Fields,
    /// `weir job list`.
    Jobs,
    /// `weir job show`.
    Job,
    /// `weir job delete`.
    DeleteJob,
    /// `weir job preview`.
    Preview,
    /// `weir job run`.
    RunJob,
    /// `weir chain list`.
    Chains,
    /// `weir chain show`.
    Chain,
    /// `weir chain delete`.
    DeleteChain,
    /// `weir chain run`.
    RunChain,
    /// `weir job apply`.
    Apply,
    /// `weir job export`.
    Export,
    /// `weir activity`.
    Activity,
    /// `weir activity`, of runs.
    Runs,
    /// `weir activity show`.
    Run,
    /// `weir job cancel`.
    Cancel,
    /// `weir job retry`.
    Retry,
    /// `weir activity errors`.
    Errors,
    /// `weir activity log`.
    Log,
}

/// A route.
#[derive(Clone, Copy, Debug)]
pub struct ApiRoute {
    /// The method.
    pub method: &'static str,
    /// The path behind [`super::ROOT`]; a name stands for what is in braces.
    pub path: &'static str,
    /// What it does.
    pub action: Action,
    /// The same for people.
    pub summary: &'static str,
    /// Parameters of the query beside `tenant`, each with what it means.
    pub query: &'static [(&'static str, &'static str)],
    /// Bytes that a body may have.
    pub takes: usize,
    /// Statuses of answers beside those that all have.
    pub statuses: &'static [u16],
}

const fn get(
    path: &'static str,
    action: Action,
    summary: &'static str,
    statuses: &'static [u16],
) -> ApiRoute {
    ApiRoute { method: "GET", path, action, summary, query: &[], takes: NO_BODY, statuses }
}

const fn delete(
    path: &'static str,
    action: Action,
    summary: &'static str,
    statuses: &'static [u16],
) -> ApiRoute {
    ApiRoute { method: "DELETE", ..get(path, action, summary, statuses) }
}

const fn post(
    path: &'static str,
    action: Action,
    summary: &'static str,
    statuses: &'static [u16],
) -> ApiRoute {
    ApiRoute { method: "POST", ..get(path, action, summary, statuses) }
}

/// What stands in a body that nobody reads.
const NO_BODY: usize = 65_536;
/// A few words.
const ORDER: usize = 65_536;
/// A document.
const DOCUMENT: usize = 1 << 20;
/// A file of rows.
const ROWS: usize = 16 << 20;

const OF_JOB: &[(&str, &str)] = &[("job", "of this job alone")];

/// Every route.
pub const ROUTES: &[ApiRoute] = &[
    get("/connections", Action::Connections, "All connections", &[200]),
    get(
        "/connections/{id}",
        Action::Connection,
        "A connection as a document, without its credentials",
        &[200, 404],
    ),
    ApiRoute {
        query: &[("with_jobs", "true: delete its jobs, too")],
        ..delete(
            "/connections/{id}",
            Action::DeleteConnection,
            "Delete a connection and its credentials",
            &[200, 404, 409],
        )
    },
    post("/connections/{id}/test", Action::TestConnection, "Whether a connection works", SOURCE),
    get("/connections/{id}/objects", Action::Objects, "What a connection offers", SOURCE),
    get("/connections/{id}/objects/{object}", Action::Fields, "The fields of one object, with types", SOURCE),
    get("/jobs", Action::Jobs, "All jobs, each with its last run", &[200]),
    get("/jobs/{id}", Action::Job, "A job as a document", &[200, 404]),
    delete("/jobs/{id}", Action::DeleteJob, "Delete a job; the rows that it made stay", &[200, 404, 409]),
    ApiRoute {
        query: &[("rows", "how many rows to show, 20 unless given, 1,000 at most")],
        ..get("/jobs/{id}/preview", Action::Preview, "What a run would do, without leaving a trace", SOURCE)
    },
    ApiRoute { takes: ORDER, ..post("/jobs/{id}/runs", Action::RunJob, "Run a job", &[202, 404, 409, 413]) },
    get("/chains", Action::Chains, "All chains", &[200]),
    get("/chains/{id}", Action::Chain, "A chain as a document", &[200, 404]),
    delete("/chains/{id}", Action::DeleteChain, "Delete a chain; its jobs stay", &[200, 404]),
    post("/chains/{id}/runs", Action::RunChain, "Run a chain", &[202, 404, 409]),
    ApiRoute {
        takes: DOCUMENT,
        ..post("/apply", Action::Apply, "Take a document, all of it or nothing", &[200, 413])
    },
    ApiRoute {
        query: &[("job", "this job alone")],
        ..get("/export", Action::Export, "All connections, jobs and chains as one document", &[200, 404])
    },
    ApiRoute {
        query: &[("kind", "`run` (unless given) or `change`"), ("job", "of this job alone")],
        ..get("/activity", Action::Activity, "The last runs, or what was changed of documents", &[200])
    },
    ApiRoute { query: OF_JOB, ..get("/runs", Action::Runs, "The last runs", &[200]) },
    get("/runs/{run}", Action::Run, "A run", &[200, 404]),
    post("/runs/{run}/cancel", Action::Cancel, "Ask for the end of a run", &[200, 404, 409]),
    ApiRoute {
        takes: ROWS,
        ..post(
            "/runs/{run}/retry",
            Action::Retry,
            "Run a job for the rows that a run rejected or could not load",
            &[202, 404, 409, 413],
        )
    },
    get(
        "/runs/{run}/errors",
        Action::Errors,
        "The rows that a run rejected or could not load, as CSV",
        &[200, 404],
    ),
    get("/runs/{run}/log", Action::Log, "What a run changed, one JSON object a line", &[200, 404, 409]),
];

/// Statuses of routes that ask another system.
const SOURCE: &[u16] = &[200, 404, 409, 502];

/// What a method and a path lead to.
#[derive(Debug)]
pub enum Found {
    /// A route, and what stands for the names in its path.
    Route(&'static ApiRoute, Vec<String>),
    /// The path knows other methods.
    Method(String),
    /// No path.
    Nothing,
}

/// What a request for `path`, behind [`super::ROOT`], leads to.
pub fn find(method: &str, path: &str) -> Found {
    let mut allowed = Vec::new();
    for route in ROUTES {
        let Some(names) = names(route.path, path) else { continue };
        if route.method == method {
            return Found::Route(route, names);
        }
        allowed.push(route.method);
    }
    if allowed.is_empty() { Found::Nothing } else { Found::Method(allowed.join(", ")) }
}

/// What stands in `path` for the names of `pattern`, decoded; none: it is another path.
fn names(pattern: &str, path: &str) -> Option<Vec<String>> {
    let (mut patterns, mut parts) = (pattern.split('/'), path.strip_suffix('/').unwrap_or(path).split('/'));
    let mut names = Vec::new();
    loop {
        match (patterns.next(), parts.next()) {
            (None, None) => return Some(names),
            (Some(name), Some(part)) if name.starts_with('{') => {
                let part = percent_encoding::percent_decode_str(part).decode_utf8().ok()?;
                names.push(Some(part.into_owned()).filter(|part| !part.is_empty())?);
            }
            (Some(word), Some(part)) if word == part => {}
            _ => return None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(method: &str, path: &str) -> String {
        match find(method, path) {
            Found::Route(route, names) => format!("{:?} {}", route.action, names.join(" ")),
            Found::Method(allow) => format!("allows {allow}"),
            Found::Nothing => "nothing".to_owned(),
        }
    }

    #[test]
    fn a_path_leads_to_its_route_with_the_names_in_it() {
        assert_eq!(found("GET", "/jobs"), "Jobs ");
        assert_eq!(found("GET", "/jobs/"), "Jobs ");
        assert_eq!(found("POST", "/jobs/nightly/runs"), "RunJob nightly");
        assert_eq!(found("GET", "/connections/crm/objects/a%2Fb%20c"), "Fields crm a/b c");
        assert_eq!(found("PUT", "/connections/crm"), "allows GET, DELETE");
        for path in ["", "/", "/job", "/jobs//runs", "/jobs/a/b", "/jobs/%ff", "jobs"] {
            assert_eq!(found("GET", path), "nothing", "{path}");
        }
    }

    #[test]
    fn no_two_routes_have_one_method_and_path() {
        for (at, route) in ROUTES.iter().enumerate() {
            let sample: String = route.path.replace(['{', '}'], "");
            let Found::Route(first, _) = find(route.method, &sample) else {
                panic!("{sample} leads nowhere")
            };
            assert!(std::ptr::eq(first, &raw const ROUTES[at]) || first.action == route.action, "{sample}");
        }
    }
}
