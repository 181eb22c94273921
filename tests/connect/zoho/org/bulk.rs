//! Its bulk reads.

use std::io::{Cursor, Write};

use serde_json::{Value, json};
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

use super::query::Test;
use super::{FieldOf, ModuleOf, Org, Row, Told};

/// A job.
#[derive(Clone)]
pub struct Job {
    pub module: String,
    pub fields: Vec<String>,
    /// Only rows with a greater id: those before are in the tables of other jobs.
    pub beyond: u64,
    /// How often it was asked after.
    pub polls: usize,
    /// Its rows, as they were when it was made; none: they are made.
    pub rows: Option<Vec<Row>>,
}

impl Org {
    pub(super) fn bulk_make(&mut self, body: &[u8]) -> Told {
        if let Some(code) = self.bulk_refuses {
            return Told::refusal(400, code);
        }
        let body: Value = serde_json::from_slice(body).unwrap();
        let query = &body["query"];
        let job = if let Some(token) = query["page_token"].as_str() {
            if query.as_object().unwrap().len() > 1 {
                return Told::refusal(400, "INVALID_DATA");
            }
            if self.bulk_tokens_ended {
                return Told::refusal(400, "INVALID_REQUEST");
            }
            let (job, beyond): (usize, u64) = serde_json::from_str(token).unwrap();
            Job { beyond, polls: 0, ..self.jobs[job].clone() }
        } else {
            let fields: Vec<String> = serde_json::from_value(query["fields"].clone()).unwrap();
            let name = query["module"]["api_name"].as_str().unwrap().to_owned();
            let Some(module) = self.modules.get(&name) else { return Told::refusal(400, "INVALID_MODULE") };
            let is_known = |field: &String| {
                field == "id"
                    || module.field(field).is_some_and(|f| !matches!(f.data_type, "tag" | "subform"))
            };
            if !fields.iter().all(is_known) {
                return Told::refusal(400, "FIELD_NOT_SUPPORTED");
            }
            let test = query.get("criteria").map(Test::of_bulk);
            let rows = module.made.is_none().then(|| {
                let holds = |row: &&Row| test.as_ref().is_none_or(|test| test.holds(module, row));
                module.rows.values().filter(holds).cloned().collect()
            });
            Job { module: name, fields, beyond: 0, polls: 0, rows }
        };
        self.jobs.push(job);
        let id = format!("{}", 554_000 + self.jobs.len() - 1);
        let details = json!({"id": id, "operation": "read", "state": "ADDED"});
        let data = json!([{"status": "success", "code": "ADDED_SUCCESSFULLY", "details": details}]);
        Told::json(201, &json!({"data": data}))
    }

    fn job(&self, id: &str) -> Option<usize> {
        let at = id.parse::<usize>().ok()?.checked_sub(554_000)?;
        (at < self.jobs.len()).then_some(at)
    }

    /// The ids of a job's rows, and whether there are more.
    fn part(&self, job: &Job) -> (Vec<u64>, bool) {
        let most = self.bulk_rows;
        let mut ids: Vec<u64> = match (&job.rows, self.modules[&job.module].made) {
            (Some(rows), _) => {
                rows.iter().map(|row| row.id).filter(|id| *id > job.beyond).take(most + 1).collect()
            }
            (None, Some((count, _))) => (job.beyond + 1..=count).take(most + 1).collect(),
            (None, None) => Vec::new(),
        };
        let has_more = ids.len() > most;
        ids.truncate(most);
        (ids, has_more)
    }

    pub(super) fn bulk_state(&mut self, id: &str) -> Told {
        let Some(at) = self.job(id) else { return Told::refusal(404, "RESOURCE_NOT_FOUND") };
        let polls = self.jobs[at].polls;
        self.jobs[at].polls += 1;
        let state = self.bulk_states.get(polls).or(self.bulk_states.last()).copied().unwrap_or("COMPLETED");
        let mut said = json!({"id": id, "operation": "read", "state": state});
        if state == "COMPLETED" {
            let (ids, has_more) = self.part(&self.jobs[at]);
            let token =
                ids.last().filter(|_| has_more).map(|last| serde_json::to_string(&(at, last)).unwrap());
            said["result"] = json!({"page": 1, "count": ids.len(), "per_page": self.bulk_rows,
                "download_url": format!("/crm/bulk/v8/read/{id}/result"), "more_records": has_more,
                "next_page_token": token});
        }
        Told::json(200, &json!({"data": [said]}))
    }

    pub(super) fn bulk_result(&mut self, id: &str) -> Told {
        let Some(at) = self.job(id) else { return Told::refusal(404, "RESOURCE_NOT_FOUND") };
        match &mut self.downloads {
            Some(0) => return Told::refusal(429, "TOO_MANY_REQUESTS"),
            Some(left) => *left -= 1,
            None => {}
        }
        let job = &self.jobs[at];
        let module = &self.modules[&job.module];
        let (ids, _) = self.part(job);
        let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
        zip.start_file(format!("{id}.csv"), SimpleFileOptions::default().compression_level(Some(1))).unwrap();
        let mut table = csv::Writer::from_writer(zip);
        let header = job.fields.iter().map(|field| if field == "id" { "Id" } else { field });
        table.write_record(header).unwrap();
        let kept = job.rows.as_deref().unwrap_or_default();
        for id in ids {
            let made = module.made.map(|(_, make)| make(id));
            let at = kept.binary_search_by_key(&id, |row| row.id).ok();
            if let Some(row) = made.as_ref().or(at.map(|at| &kept[at])) {
                table.write_record(job.fields.iter().map(|field| self.cell(module, field, row))).unwrap();
            }
        }
        let mut zip = table.into_inner().unwrap_or_else(|_| panic!("a table in memory is written"));
        zip.flush().unwrap();
        let body = zip.finish().unwrap().into_inner();
        Told { status: 200, headers: vec![("content-disposition", "attachment".to_owned())], body }
    }

    /// A value as a table has it: of lookups the id alone, of several with commas between.
    fn cell(&self, module: &ModuleOf, name: &str, row: &Row) -> String {
        let Some(field) = module.field(name) else { return row.id.to_string() };
        match self.value(field, row) {
            Value::Null => String::new(),
            Value::String(text) => text,
            Value::Object(lookup) => lookup["id"].as_str().unwrap().to_owned(),
            Value::Array(values) => {
                values.iter().map(|value| texts(field, value)).collect::<Vec<_>>().join(",")
            }
            other => other.to_string(),
        }
    }
}

fn texts(field: &FieldOf, value: &Value) -> String {
    let text = if field.data_type == "tag" { &value["name"] } else { value };
    text.as_str().unwrap().to_owned()
}
