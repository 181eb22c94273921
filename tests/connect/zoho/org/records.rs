//! Get Records and its like: pages of rows, users, deleted rows, counts.

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::{Asked, FieldOf, ModuleOf, Org, Row, Told, since};

/// Most rows that pages reach by their numbers.
const BY_NUMBER: usize = 2_000;

impl Org {
    pub(super) fn records(&self, name: &str, asked: &Asked) -> Told {
        let Some(module) = self.modules.get(name) else { return Told::refusal(400, "INVALID_MODULE") };
        let Some(fields) = asked.param("fields").filter(|fields| !fields.is_empty()) else {
            return Told::refusal(400, "REQUIRED_PARAM_MISSING");
        };
        let fields: Vec<&str> = fields.split(',').collect();
        if fields.len() > 50 {
            return Told::refusal(400, "LIMIT_EXCEEDED");
        }
        if let Some(ids) = asked.param("ids") {
            let ids: Vec<u64> = ids.split(',').filter_map(|id| id.parse().ok()).collect();
            if ids.len() > 100 {
                return Told::refusal(400, "LIMIT_EXCEEDED");
            }
            let rows = ids.iter().filter_map(|id| module.row(*id)).collect();
            return self.listed(module, rows, &fields, json!({"more_records": false}));
        }
        let (rows, info) = match self.page(module, asked) {
            Ok(page) => page,
            Err(told) => return told,
        };
        if rows.is_empty() {
            return Told::nothing(if module.rows.is_empty() { 204 } else { 304 });
        }
        self.listed(module, rows, &fields, info)
    }

    /// The rows of a page, and what is said of it.
    fn page(&self, module: &ModuleOf, asked: &Asked) -> Result<(Vec<Row>, Value), Told> {
        let params = asked;
        let number = |name: &str| asked.param(name).map(|text| text.parse::<usize>().unwrap_or(0));
        let per_page = number("per_page").unwrap_or(200);
        if !(1..=200).contains(&per_page) {
            return Err(Told::refusal(400, "INVALID_DATA"));
        }
        let unsorted = Asked { query: Vec::new(), ..asked.clone() };
        let asked = if self.sorts { asked } else { &unsorted };
        let sorted = sorted(module, asked);
        let (begin, before) = match (number("page"), params.param("page_token")) {
            (Some(_), Some(_)) => return Err(Told::refusal(400, "AMBIGUITY_DURING_PROCESSING")),
            (_, Some(_)) if self.page_tokens_ended => return Err(Told::refusal(400, "INVALID_REQUEST")),
            (_, Some(token)) => {
                let key: (usize, i64, u64) =
                    serde_json::from_str(token).map_err(|_| Told::refusal(400, "INVALID_REQUEST"))?;
                let behind = sorted.iter().position(|row| is_behind(asked, row, (key.1, key.2)));
                let begin = if self.page_tokens_are_offsets { Some(key.0) } else { behind };
                (begin.unwrap_or(sorted.len()), key.0)
            }
            (page, None) => {
                let begin = (page.unwrap_or(1).max(1) - 1) * per_page;
                if begin + per_page > BY_NUMBER {
                    return Err(Told::json(
                        400,
                        &json!({"code": "DISCRETE_PAGINATION_LIMIT_EXCEEDED", "details": {"limit": BY_NUMBER},
                                "status": "error", "message": "said"}),
                    ));
                }
                (begin, begin)
            }
        };
        if before >= self.token_reach {
            return Err(Told::refusal(400, "PAGINATION_LIMIT_EXCEEDED"));
        }
        let rows: Vec<Row> = sorted.iter().skip(begin).take(per_page).map(|row| (*row).clone()).collect();
        let has_more = begin + rows.len() < sorted.len();
        let token = rows
            .last()
            .filter(|_| has_more)
            .map(|last| serde_json::to_string(&(before + rows.len(), last.modified, last.id)).unwrap());
        let sort = |name: &str, or: &str| asked.param(name).unwrap_or(or).to_owned();
        let (by, order) = (sort("sort_by", "id"), sort("sort_order", "desc"));
        let info = json!({"sort_by": by, "sort_order": order, "per_page": per_page, "count": rows.len(),
                          "more_records": has_more, "next_page_token": token, "previous_page_token": null});
        Ok((rows, info))
    }

    fn listed(&self, module: &ModuleOf, rows: Vec<Row>, fields: &[&str], info: Value) -> Told {
        if rows.is_empty() {
            return Told::nothing(204);
        }
        let data: Vec<_> = rows.iter().map(|row| Value::Object(self.json(module, row, fields))).collect();
        Told::json(200, &json!({"data": data, "info": info}))
    }

    /// A row as a page shows it: with keys that nobody asked for.
    fn json(&self, module: &ModuleOf, row: &Row, fields: &[&str]) -> Map<String, Value> {
        let mut shown = Map::new();
        shown.insert("id".to_owned(), json!(row.id.to_string()));
        for field in fields {
            if let Some(field) = module.field(field) {
                shown.insert(field.name.clone(), self.value(field, row));
            }
        }
        shown.insert("$currency_symbol".to_owned(), json!("€"));
        shown.insert("$approved".to_owned(), json!(true));
        shown
    }

    /// A value as JSON shows it.
    pub(super) fn value(&self, field: &FieldOf, row: &Row) -> Value {
        if field.name == "Modified_Time" {
            return json!(self.shown(row.modified));
        }
        match row.values.get(&field.name) {
            None => Value::Null,
            Some(Value::String(text)) if field.data_type == "datetime" => {
                json!(self.shown(text.parse::<Timestamp>().unwrap().as_second()))
            }
            Some(value) => value.clone(),
        }
    }

    pub(super) fn count(&self, name: &str, asked: &Asked) -> Told {
        let Some(module) = self.modules.get(name) else { return Told::refusal(400, "INVALID_MODULE") };
        if self.count_refuses {
            return Told::refusal(400, "INVALID_QUERY");
        }
        if let Some(count) = self.counts.or(module.made.map(|(count, _)| count)) {
            return Told::json(200, &json!({"count": count}));
        }
        let since = asked.param("criteria").map(|criteria| {
            let moment =
                criteria.strip_prefix("(Modified_Time:greater_equal:").unwrap().trim_end_matches(')');
            moment.parse::<Timestamp>().unwrap().as_second()
        });
        let count =
            module.rows.values().filter(|row| since.is_none_or(|since| row.modified >= since)).count();
        Told::json(200, &json!({"count": count}))
    }

    pub(super) fn user_list(&self, asked: &Asked) -> Told {
        let kind = asked.param("type").unwrap_or("AllUsers");
        let number = |name: &str, or: usize| asked.param(name).map_or(or, |text| text.parse().unwrap());
        let (page, per_page) = (number("page", 1), number("per_page", 200));
        let since = since(asked);
        let found: Vec<_> = self
            .users
            .iter()
            .filter(|(known, row)| *known == kind && since.is_none_or(|since| row.modified >= since))
            .collect();
        let shown: Vec<_> = found
            .iter()
            .skip((page - 1) * per_page)
            .take(per_page)
            .map(|(_, row)| {
                let mut values = row.values.clone();
                values.insert("id".to_owned(), json!(row.id.to_string()));
                values.insert("Modified_Time".to_owned(), json!(self.shown(row.modified)));
                Value::Object(values)
            })
            .collect();
        if shown.is_empty() {
            return Told::nothing(204);
        }
        let has_more = page * per_page < found.len();
        Told::json(200, &json!({"users": shown, "info": {"more_records": has_more, "page": page}}))
    }

    pub(super) fn deleted(&self, name: &str, asked: &Asked) -> Told {
        let Some(module) = self.modules.get(name) else { return Told::refusal(400, "INVALID_MODULE") };
        let kind = asked.param("type").unwrap_or("all");
        let page: usize = asked.param("page").map_or(1, |page| page.parse().unwrap());
        let since = since(asked);
        let found: Vec<_> = module
            .deleted
            .iter()
            .filter(|(_, at, _)| since.is_none_or(|since| *at >= since))
            .filter(|(_, _, is_recycled)| kind == "all" || (kind == "recycle") == *is_recycled)
            .collect();
        let shown: Vec<_> = found
            .iter()
            .skip((page - 1) * 200)
            .take(200)
            .map(|(id, at, is_recycled)| {
                json!({"id": id.to_string(), "deleted_time": self.shown(*at), "display_name": "x",
                       "type": if *is_recycled { "recycle" } else { "permanent" }})
            })
            .collect();
        if shown.is_empty() {
            return Told::nothing(if since.is_some() { 304 } else { 204 });
        }
        Told::json(200, &json!({"data": shown, "info": {"more_records": page * 200 < found.len()}}))
    }
}

impl ModuleOf {
    /// A field, by its name.
    pub fn field(&self, name: &str) -> Option<&FieldOf> {
        self.fields.iter().find(|field| field.name == name)
    }

    /// A row, by its id.
    pub fn row(&self, id: u64) -> Option<Row> {
        match self.made {
            Some((count, make)) => (1..=count).contains(&id).then(|| make(id)),
            None => self.rows.get(&id).cloned(),
        }
    }
}

/// The rows that are asked for, in the order that is asked for.
fn sorted<'m>(module: &'m ModuleOf, asked: &Asked) -> Vec<&'m Row> {
    let since = since(asked);
    let mut rows: Vec<&Row> =
        module.rows.values().filter(|row| since.is_none_or(|since| row.modified >= since)).collect();
    match asked.param("sort_by").unwrap_or("id") {
        "Modified_Time" => rows.sort_by_key(|row| (row.modified, row.id)),
        _ => rows.sort_by_key(|row| row.id),
    }
    if asked.param("sort_order") != Some("asc") {
        rows.reverse();
    }
    rows
}

fn is_behind(asked: &Asked, row: &Row, key: (i64, u64)) -> bool {
    let is_later = match asked.param("sort_by").unwrap_or("id") {
        "Modified_Time" => (row.modified, row.id) > key,
        _ => row.id > key.1,
    };
    let is_earlier = match asked.param("sort_by").unwrap_or("id") {
        "Modified_Time" => (row.modified, row.id) < key,
        _ => row.id < key.1,
    };
    if asked.param("sort_order") == Some("asc") { is_later } else { is_earlier }
}
