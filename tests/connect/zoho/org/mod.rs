//! The org: what it holds, what it counts, what goes wrong with it, and how a call is answered.
//!
//! Assumed, since no page says so: what happens to a `page` beside a `page_token`, to a token that has ended or is
//! unknown (`INVALID_REQUEST`), and beyond 100,000 rows; that calls which are refused cost what others cost; that a
//! COQL answer has lookups with their ids alone ([`Org::coql_has_names`] makes it otherwise).

mod accounts;
mod bulk;
mod query;
mod records;

use std::collections::{BTreeMap, VecDeque};

use jiff::Timestamp;
use jiff::tz::Offset;
use serde_json::{Map, Value, json};

pub use accounts::Accounts;
pub use bulk::Job;

/// A row. Its values are as a page shows them, but times, which are in UTC.
#[derive(Clone, Debug)]
pub struct Row {
    pub id: u64,
    pub modified: i64,
    pub values: Map<String, Value>,
}

/// A field.
#[derive(Clone, Debug)]
pub struct FieldOf {
    pub name: String,
    pub data_type: &'static str,
    pub json_type: &'static str,
    pub choices: Vec<&'static str>,
}

/// A field of this type.
pub fn field(name: &str, data_type: &'static str) -> FieldOf {
    let json_type = match data_type {
        "lookup" | "ownerlookup" => "jsonobject",
        "multiselectpicklist" | "tag" | "subform" => "jsonarray",
        "boolean" => "boolean",
        "integer" => "integer",
        "double" | "currency" | "formula" => "double",
        _ => "string",
    };
    FieldOf { name: name.to_owned(), data_type, json_type, choices: Vec::new() }
}

/// Makes the row of an id.
pub type Make = fn(u64) -> Row;

/// A module.
#[derive(Default)]
pub struct ModuleOf {
    pub fields: Vec<FieldOf>,
    pub rows: BTreeMap<u64, Row>,
    /// Rows that are made when they are asked for, for bulk reads of many.
    pub made: Option<(u64, Make)>,
    /// Id, since when, and whether it is in the recycle bin.
    pub deleted: Vec<(u64, i64, bool)>,
}

/// A call.
#[derive(Clone, Debug, Default)]
pub struct Asked {
    pub method: String,
    pub path: String,
    pub query: Vec<(String, String)>,
    pub headers: BTreeMap<String, String>,
    pub body: Vec<u8>,
}

impl Asked {
    /// A parameter.
    pub fn param(&self, name: &str) -> Option<&str> {
        self.query.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

/// An answer.
#[derive(Clone, Debug)]
pub struct Told {
    pub status: u16,
    pub headers: Vec<(&'static str, String)>,
    pub body: Vec<u8>,
}

impl Told {
    /// JSON.
    pub fn json(status: u16, body: &Value) -> Self {
        Told { status, headers: Vec::new(), body: body.to_string().into_bytes() }
    }

    /// Nothing.
    pub fn nothing(status: u16) -> Self {
        Told { status, headers: Vec::new(), body: Vec::new() }
    }

    /// A refusal.
    pub fn refusal(status: u16, code: &str) -> Self {
        Told::json(status, &json!({"code": code, "details": {}, "message": "said", "status": "error"}))
    }
}

/// What goes wrong with a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// This status and code.
    Says(u16, &'static str),
    /// It takes so many milliseconds.
    Slow(u64),
    /// Half of the answer comes.
    Half,
    /// The connection ends before an answer, though the call was made.
    Lost,
}

/// Called before each call to the API.
pub type Hook = Box<dyn FnMut(&mut Org, &Asked) + Send>;

/// The org.
pub struct Org {
    pub accounts: Accounts,
    pub modules: BTreeMap<String, ModuleOf>,
    pub users: Vec<(&'static str, Row)>,
    pub jobs: Vec<Job>,
    /// Faults for calls whose path has this in it, once each, in order.
    pub faults: VecDeque<(&'static str, Fault)>,
    pub hook: Option<Hook>,
    /// Credits of a day, and those that are left.
    pub credits: (u64, u64),
    /// Offset of its times.
    pub offset: Offset,
    pub coql_has_names: bool,
    /// COQL answers with this code.
    pub coql_refuses: Option<&'static str>,
    pub count_refuses: bool,
    /// It counts so many rows, whatever there is.
    pub counts: Option<u64>,
    /// Tokens of pages are not known any more.
    pub page_tokens_ended: bool,
    /// Tokens of pages are offsets, which rows move past.
    pub page_tokens_are_offsets: bool,
    /// Pages are sorted as is asked for.
    pub sorts: bool,
    /// Rows that pages reach by their tokens.
    pub token_reach: usize,
    /// States that a bulk read goes through.
    pub bulk_states: Vec<&'static str>,
    /// Rows of a bulk read's table.
    pub bulk_rows: usize,
    pub bulk_refuses: Option<&'static str>,
    pub bulk_tokens_ended: bool,
    /// Downloads that a minute has.
    pub downloads: Option<u32>,
    /// Calls to the API that were answered.
    pub calls: Vec<Asked>,
}

impl Default for Org {
    fn default() -> Self {
        Org {
            accounts: Accounts::default(),
            modules: BTreeMap::new(),
            users: Vec::new(),
            jobs: Vec::new(),
            faults: VecDeque::new(),
            hook: None,
            credits: (1_000_000, 1_000_000),
            offset: Offset::from_seconds(19_800).unwrap(),
            coql_has_names: false,
            coql_refuses: None,
            count_refuses: false,
            counts: None,
            page_tokens_ended: false,
            page_tokens_are_offsets: false,
            sorts: true,
            token_reach: 100_000,
            bulk_states: vec!["ADDED", "QUEUED", "IN PROGRESS", "COMPLETED"],
            bulk_rows: 200_000,
            bulk_refuses: None,
            bulk_tokens_ended: false,
            downloads: None,
            calls: Vec::new(),
        }
    }
}

impl Org {
    /// Answers a call. `url` is where it was made.
    pub fn answer(&mut self, asked: &Asked, url: &str) -> (Option<Fault>, Told) {
        let at = self.faults.iter().position(|(part, _)| asked.path.contains(part));
        let fault = at.and_then(|at| self.faults.remove(at)).map(|(_, fault)| fault);
        if let Some(Fault::Says(status, code)) = fault {
            return (None, Told::refusal(status, code));
        }
        if asked.path == "/oauth/v2/token" {
            return (fault, self.accounts.answer(&asked.body, url));
        }
        (fault, self.api(asked))
    }

    fn api(&mut self, asked: &Asked) -> Told {
        let token = asked.headers.get("authorization").map(String::as_str).unwrap_or_default();
        // Zoho's own clients send either.
        let token = token.strip_prefix("Zoho-oauthtoken ").or_else(|| token.strip_prefix("Bearer "));
        if !token.is_some_and(|token| self.accounts.is_good(token)) {
            return Told::refusal(401, "INVALID_TOKEN");
        }
        if let Some(mut hook) = self.hook.take() {
            hook(self, asked);
            self.hook = Some(hook);
        }
        self.calls.push(asked.clone());
        let cost = Org::cost(asked);
        let mut told = if cost > self.credits.1 {
            Told::refusal(429, "TOO_MANY_REQUESTS")
        } else {
            self.credits.1 -= cost;
            self.route(asked)
        };
        if self.credits.1 * 2 <= self.credits.0 {
            told.headers.push(("X-API-CREDITS-REMAINING", self.credits.1.to_string()));
        }
        told
    }

    fn cost(asked: &Asked) -> u64 {
        match asked.path.as_str() {
            "/crm/bulk/v8/read" => 50,
            "/crm/v8/coql" => query::cost(&asked.body),
            path if path.ends_with("/deleted") => 2,
            _ => 1,
        }
    }

    fn route(&mut self, asked: &Asked) -> Told {
        let parts: Vec<&str> = asked.path.trim_start_matches('/').split('/').collect();
        match (asked.method.as_str(), parts.as_slice()) {
            ("GET", ["crm", "v8", "settings", "modules"]) => self.module_list(),
            ("GET", ["crm", "v8", "settings", "fields"]) => self.field_list(asked),
            ("GET", ["crm", "v8", "users"]) => self.user_list(asked),
            ("POST", ["crm", "v8", "coql"]) => self.coql(&asked.body),
            ("GET", ["crm", "v8", module, "actions", "count"]) => self.count(module, asked),
            ("GET", ["crm", "v8", module, "deleted"]) => self.deleted(module, asked),
            ("GET", ["crm", "v8", module]) => self.records(module, asked),
            ("POST", ["crm", "bulk", "v8", "read"]) => self.bulk_make(&asked.body),
            ("GET", ["crm", "bulk", "v8", "read", job]) => self.bulk_state(job),
            ("GET", ["crm", "bulk", "v8", "read", job, "result"]) => self.bulk_result(job),
            _ => Told::refusal(404, "INVALID_URL_PATTERN"),
        }
    }

    fn module_list(&self) -> Told {
        let modules = self.modules.keys().map(|name| {
            json!({"api_name": name, "plural_label": name, "api_supported": true, "viewable": true,
                   "generated_type": "default"})
        });
        let hidden = json!({"api_name": "Feeds", "api_supported": false});
        Told::json(200, &json!({"modules": modules.chain([hidden]).collect::<Vec<_>>()}))
    }

    fn field_list(&self, asked: &Asked) -> Told {
        let Some(module) = asked.param("module").and_then(|name| self.modules.get(name)) else {
            return Told::refusal(400, "INVALID_MODULE");
        };
        let fields: Vec<_> = module
            .fields
            .iter()
            .map(|field| {
                let choices: Vec<_> =
                    field.choices.iter().map(|c| json!({"actual_value": c, "display_value": c})).collect();
                let data_type = if field.data_type == "tag" { "text" } else { field.data_type };
                json!({"api_name": field.name, "field_label": field.name, "data_type": data_type, "visible": true,
                       "json_type": field.json_type, "pick_list_values": choices, "view_type": {"view": true}})
            })
            .collect();
        if fields.is_empty() { Told::nothing(204) } else { Told::json(200, &json!({"fields": fields})) }
    }

    /// A moment as it shows it.
    pub fn shown(&self, seconds: i64) -> String {
        let moment = Timestamp::from_second(seconds).unwrap();
        let civil = self.offset.to_datetime(moment);
        let minutes = self.offset.seconds() / 60;
        format!(
            "{civil}{}{:02}:{:02}",
            if minutes < 0 { '-' } else { '+' },
            minutes.abs() / 60,
            minutes.abs() % 60
        )
    }

    /// Puts a row, changed now.
    pub fn change(&mut self, module: &str, id: u64, name: &str, value: Value) {
        let now = Timestamp::now().as_second();
        let row = self.modules.get_mut(module).unwrap().rows.get_mut(&id).unwrap();
        row.values.insert(name.to_owned(), value);
        row.modified = now;
    }

    /// Deletes a row, now.
    pub fn delete(&mut self, module: &str, id: u64) {
        let now = Timestamp::now().as_second();
        let module = self.modules.get_mut(module).unwrap();
        module.rows.remove(&id).unwrap();
        module.deleted.push((id, now, true));
    }
}

/// The moment of `If-Modified-Since`.
pub fn since(asked: &Asked) -> Option<i64> {
    asked.headers.get("if-modified-since").map(|text| text.parse::<Timestamp>().unwrap().as_second())
}
