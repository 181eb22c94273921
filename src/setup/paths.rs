//! Whether the other paths of `[http]` lead to routes, and hide none.

use crate::config::paths::{PATH, Paths, path};
use crate::config::problems::Problems;
use crate::config::quoting::join;
use crate::http::routes::{ROUTES, find};

/// Adds what is wrong with `paths`.
pub fn check(paths: &Paths, problems: &mut Problems) {
    if let Some(prefix) = &paths.prefix {
        let hides = |route: &str| find(&format!("{prefix}{route}")).is_some();
        if let Some(route) = ROUTES.iter().find(|route| hides(route.path)) {
            let advice = format!("would make {prefix}{} mean two things; choose another", route.path);
            problems.add("http.path_prefix", advice);
        }
    }
    for (alias, target) in &paths.aliases {
        let key = join("http.aliases", alias);
        let below = paths.prefix.as_ref().and_then(|prefix| alias.strip_prefix(prefix.as_str()));
        if path(alias).is_none() {
            problems.add(key, format_args!("must be {PATH}"));
        } else if find(alias).is_some() {
            problems.add(key, "is a route of Weir's already; remove it, or choose another path");
        } else if below.is_some_and(|rest| rest.is_empty() || rest.starts_with('/')) {
            problems
                .add(key, "begins with http.path_prefix, which may stand before every alias; leave it out");
        } else if !ROUTES.iter().any(|route| route.path == target && path(target).is_some()) {
            problems.add(key, "must lead to a route of Weir's, such as \"/beacon/v1/batch\"");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problems(prefix: Option<&str>, aliases: &[(&str, &str)]) -> Vec<String> {
        let owned = |(alias, target): &(&str, &str)| ((*alias).to_owned(), (*target).to_owned());
        let paths = Paths { prefix: prefix.map(str::to_owned), aliases: aliases.iter().map(owned).collect() };
        let mut problems = Problems::default();
        check(&paths, &mut problems);
        problems.lines().iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_prefix_and_aliases_that_hide_nothing_are_fine() {
        assert!(problems(None, &[]).is_empty());
        let aliases =
            [("/b/v1/batch", "/beacon/v1/batch"), ("/c", "/sourceConfig"), ("/eventsource", "/v1/track")];
        assert_eq!(problems(Some("/events"), &aliases), [""; 0]);
        assert_eq!(problems(Some("/v1"), &aliases), [""; 0]);
    }

    #[test]
    fn whatever_would_mean_two_things_or_nothing_is_a_problem_of_its_own() {
        for prefix in ["/health", "/webhook", "/v1/track"] {
            let told = problems(Some(prefix), &[]);
            assert_eq!(told.len(), 1, "{told:?}");
            assert!(told[0].starts_with("http.path_prefix: would make ") && told[0].contains("two things"));
        }
        for (alias, target, advice) in [
            ("/v1/track", "/v1/page", "is a route of Weir's already"),
            ("/webhook/web", "/v1/webhook", "is a route of Weir's already"),
            ("/events", "/health", "begins with http.path_prefix"),
            ("/events/b", "/health", "begins with http.path_prefix"),
            ("/b", "/v1/nope", "must lead to a route"),
            ("/b", "/webhook/web", "must lead to a route"),
            ("/b", "/webhook/{source}", "must lead to a route"),
            ("/b", "/", "must lead to a route"),
            ("/b/", "/v1/track", "must be a path"),
        ] {
            let told = problems(Some("/events"), &[(alias, target)]);
            assert_eq!(told.len(), 1, "{told:?}");
            assert!(told[0].contains(advice) && told[0].contains(alias), "{told:?}");
        }
    }
}
