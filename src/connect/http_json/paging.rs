//! How pages of an answer follow each other. Pure.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::values::Path;
use crate::connect::address::origin;

/// How pages follow each other.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Style {
    /// There is one answer.
    #[default]
    None,
    /// By their number, until one is empty.
    Page {
        /// The parameter that says it.
        parameter: String,
        /// That of the first.
        first: u64,
    },
    /// By the number of records before them, until one is empty.
    Offset {
        /// The parameter that says it.
        parameter: String,
    },
    /// By a word that the page before says, until it says none.
    Cursor {
        /// The parameter that says it.
        parameter: String,
        /// Where the page before says it.
        next: Path,
    },
    /// By an address that the page before says, until it says none.
    NextUrl {
        /// Where it says it.
        next: Path,
    },
    /// By an address in the header `Link`, with `rel="next"`.
    LinkHeader,
}

/// Where the next page is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Next {
    /// Its number.
    Page(u64),
    /// Records before it.
    Offset(u64),
    /// The word for it.
    Cursor(String),
    /// Its address.
    Url(String),
}

/// A page that was answered.
#[derive(Clone, Copy, Debug)]
pub struct Answered<'a> {
    /// Its address.
    pub url: &'a str,
    /// Its JSON.
    pub body: &'a Value,
    /// Its header `Link`.
    pub link: Option<&'a str>,
    /// Its records.
    pub records: usize,
    /// Whether it says that there are more; none: it says nothing of that.
    pub has_more: Option<bool>,
}

impl Style {
    /// Where the page after `answered` is, which was at `current`.
    ///
    /// # Errors
    /// A sentence without a subject: it would lead in a circle, or elsewhere.
    pub fn after(&self, current: Option<&Next>, answered: Answered<'_>) -> Result<Option<Next>, String> {
        if answered.has_more == Some(false) {
            return Ok(None);
        }
        let is_empty = answered.records == 0;
        let next = match (self, current) {
            (Style::None, _) => None,
            (Style::Page { .. } | Style::Offset { .. }, _) if is_empty => None,
            (Style::Page { .. }, Some(Next::Page(number))) => Some(Next::Page(number.saturating_add(1))),
            (Style::Page { first, .. }, _) => Some(Next::Page(first.saturating_add(1))),
            (Style::Offset { .. }, current) => {
                let before = if let Some(Next::Offset(before)) = current { *before } else { 0 };
                Some(Next::Offset(before.saturating_add(answered.records as u64)))
            }
            (Style::Cursor { next, .. }, _) => next.text(answered.body).map(Next::Cursor),
            (Style::NextUrl { next }, _) => {
                next.text(answered.body).map(|to| followed(&to, answered.url)).transpose()?
            }
            (Style::LinkHeader, _) => {
                answered.link.and_then(next_in).map(|to| followed(to, answered.url)).transpose()?
            }
        };
        match (&next, current) {
            (Some(next), Some(current)) if next == current => {
                Err("names the same page as the next one".to_owned())
            }
            (Some(Next::Url(url)), None) if url == answered.url => {
                Err("names the same page as the next one".to_owned())
            }
            _ => Ok(next),
        }
    }

    /// The parameters of the page at `next`; none: the first.
    pub fn parameters(&self, next: Option<&Next>) -> Option<(String, String)> {
        match (self, next) {
            (Style::Page { parameter, .. }, Some(Next::Page(number))) => {
                Some((parameter.clone(), number.to_string()))
            }
            (Style::Page { parameter, first }, _) => Some((parameter.clone(), first.to_string())),
            (Style::Offset { parameter }, Some(Next::Offset(before))) => {
                Some((parameter.clone(), before.to_string()))
            }
            (Style::Offset { parameter }, _) => Some((parameter.clone(), "0".to_owned())),
            (Style::Cursor { parameter, .. }, Some(Next::Cursor(word))) => {
                Some((parameter.clone(), word.clone()))
            }
            _ => None,
        }
    }
}

/// The address `to`, said by the page at `from`. A credential goes with it, so it has to be at the same server.
fn followed(to: &str, from: &str) -> Result<Next, String> {
    let server = origin(from).unwrap_or_default();
    let before_query = from.split('?').next().unwrap_or_default();
    let url = if to.contains("://") {
        to.to_owned()
    } else if to.starts_with("//") {
        return Err("leads to another server as its next page, where the token must not go".to_owned());
    } else if to.starts_with('/') {
        format!("{server}{to}")
    } else if to.starts_with('?') {
        format!("{before_query}{to}")
    } else {
        format!("{}/{to}", before_query.rsplit_once('/').map_or(before_query, |(folder, _)| folder))
    };
    if server.is_empty() || origin(&url) != Some(server) {
        return Err("leads to another server as its next page, where the token must not go".to_owned());
    }
    Ok(Next::Url(url))
}

/// The address with `rel="next"` in a header `Link`.
fn next_in(link: &str) -> Option<&str> {
    let is_next = |parameters: &str| {
        parameters.split(';').any(|parameter| {
            let Some((name, value)) = parameter.split_once('=') else { return false };
            let mut words = value.trim().trim_matches('"').split_ascii_whitespace();
            name.trim().eq_ignore_ascii_case("rel") && words.any(|word| word.eq_ignore_ascii_case("next"))
        })
    };
    link.split('<').skip(1).find_map(|part| {
        let (url, parameters) = part.split_once('>')?;
        // The comma before the next one is no part of these parameters.
        is_next(parameters.trim_end().trim_end_matches(',')).then(|| url.trim())
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn answered<'a>(body: &'a Value, records: usize, link: Option<&'a str>) -> Answered<'a> {
        Answered { url: "https://a.example/v1/items?page=1", body, link, records, has_more: None }
    }

    #[test]
    fn numbered_pages_end_with_an_empty_one_or_where_the_answer_says_so() {
        let body = json!({});
        let style = Style::Page { parameter: "page".to_owned(), first: 0 };
        assert_eq!(style.parameters(None), Some(("page".to_owned(), "0".to_owned())));
        let next = style.after(None, answered(&body, 2, None)).unwrap();
        assert_eq!(next, Some(Next::Page(1)));
        assert_eq!(style.after(next.as_ref(), answered(&body, 0, None)), Ok(None));
        let ended = Answered { has_more: Some(false), ..answered(&body, 2, None) };
        assert_eq!(style.after(None, ended), Ok(None));
        let style = Style::Offset { parameter: "offset".to_owned() };
        let next = style.after(None, answered(&body, 2, None)).unwrap();
        let next = style.after(next.as_ref(), answered(&body, 3, None)).unwrap();
        assert_eq!(next, Some(Next::Offset(5)));
        assert_eq!(style.parameters(next.as_ref()), Some(("offset".to_owned(), "5".to_owned())));
    }

    #[test]
    fn a_cursor_is_followed_until_there_is_none() {
        let style = Style::Cursor { parameter: "after".to_owned(), next: Path::read("meta.next").unwrap() };
        let body = json!({"meta": {"next": "abc"}});
        let next = style.after(None, answered(&body, 0, None)).unwrap();
        assert_eq!(style.parameters(next.as_ref()), Some(("after".to_owned(), "abc".to_owned())));
        assert!(style.after(next.as_ref(), answered(&body, 1, None)).is_err(), "a circle");
        for end in [json!({"meta": {"next": null}}), json!({"meta": {"next": ""}}), json!({})] {
            assert_eq!(style.after(next.as_ref(), answered(&end, 1, None)), Ok(None));
        }
    }

    #[test]
    fn an_address_is_followed_at_the_same_server_alone() {
        let style = Style::NextUrl { next: Path::read("next").unwrap() };
        let after = |next: &str| style.after(None, answered(&json!({"next": next}), 1, None));
        for (next, url) in [
            ("https://a.example/v1/items?page=2", "https://a.example/v1/items?page=2"),
            ("/v2/items", "https://a.example/v2/items"),
            ("?page=2", "https://a.example/v1/items?page=2"),
            ("more", "https://a.example/v1/more"),
        ] {
            assert_eq!(after(next), Ok(Some(Next::Url(url.to_owned()))), "{next}");
        }
        for next in [
            "https://b.example/v1/items",
            "http://a.example/v1/items",
            "https://a.example:8443/v1/items",
            "//b.example/x",
            "https://a.example@b.example/",
            "https://a.example.b.example/",
            "https://a.example/v1/items?page=1",
        ] {
            assert!(after(next).is_err(), "{next}");
        }
    }

    #[test]
    fn a_link_header_may_name_several() {
        let body = json!([]);
        let link =
            "<https://a.example/1>; rel=\"prev\", <https://a.example/3>; title=\"x\"; rel=\"last next\"";
        let next = Style::LinkHeader.after(None, answered(&body, 1, Some(link)));
        assert_eq!(next, Ok(Some(Next::Url("https://a.example/3".to_owned()))));
        let last = "<https://a.example/1>; rel=\"prev\"";
        assert_eq!(Style::LinkHeader.after(None, answered(&body, 1, Some(last))), Ok(None));
        assert_eq!(Style::LinkHeader.after(None, answered(&body, 1, None)), Ok(None));
    }

    proptest! {
        #[test]
        fn no_address_leads_to_another_server(next in "[a-z0-9:/.?#@\\\\]{0,30}") {
            let style = Style::NextUrl { next: Path::read("next").unwrap() };
            if let Ok(Some(Next::Url(url))) = style.after(None, answered(&json!({"next": next}), 1, None)) {
                prop_assert!(url.starts_with("https://a.example/") || url.starts_with("https://a.example?")
                    || url == "https://a.example", "{}", url);
            }
        }
    }
}
