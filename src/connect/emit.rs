//! From mapped rows to records for the queue. Pure.

use crate::record::topics::TopicId;
use crate::record::{Header, Kind, Records};

/// Where the records of one run come from, and where they go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    /// Id of the tenant.
    pub tenant: String,
    /// `ce_source`: `/<tenant>/<connection>`.
    pub source: String,
    /// Id of the run.
    pub run: String,
    /// The topic of the job's object.
    pub topic: TopicId,
}

/// What is to be sent of one row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outgoing<'a> {
    /// Its place in the run.
    pub row: i64,
    /// A person, a company, a link, an object, or that one of them is gone.
    pub kind: Kind,
    /// Its key, without the tenant.
    pub key: &'a str,
    /// Its value: JSON.
    pub value: &'a str,
    /// When it was changed in its source, RFC 3339.
    pub time: &'a str,
    /// The id of a company.
    pub company_id: Option<&'a str>,
}

/// The word for a kind in `ce_id`.
fn which(kind: Kind) -> &'static str {
    match kind {
        Kind::Link => "link.0",
        other => other.label(),
    }
}

/// Adds the record of a row. A restarted emit gives it the same id, which is harmless; a value that went and came back
/// has another run.
pub fn write(records: &mut Records, origin: &Origin, batch: &str, row: &Outgoing<'_>) {
    let number = row.row.to_string();
    let mut draft = records.draft(row.kind, origin.topic);
    draft.key(&[origin.tenant.as_bytes(), row.key.as_bytes()]);
    let id = [origin.run.as_bytes(), b"-", number.as_bytes(), b"/", which(row.kind).as_bytes()];
    draft.header(Header::Id, &id);
    draft.header(Header::Source, &[origin.source.as_bytes()]);
    draft.header(Header::Time, &[row.time.as_bytes()]);
    if let Some(id) = row.company_id {
        draft.header(Header::CompanyId, &[id.as_bytes()]);
    }
    draft.header(Header::Run, &[origin.run.as_bytes()]);
    draft.header(Header::Row, &[number.as_bytes()]);
    draft.header(Header::Batch, &[batch.as_bytes()]);
    draft.value(|out| out.extend_from_slice(row.value.as_bytes()));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_tells_its_run_its_row_and_its_batch() {
        let origin = Origin {
            tenant: "acme".to_owned(),
            source: "/acme/zoho".to_owned(),
            run: "accounts-1".to_owned(),
            topic: TopicId::of("weir.companies"),
        };
        let row = Outgoing {
            row: 7,
            kind: Kind::Company,
            key: "Initech",
            value: "{\"Name\":\"Initech\"}",
            time: "2026-11-30T08:00:00Z",
            company_id: Some("1P02X"),
        };
        let mut records = Records::new(1);
        write(&mut records, &origin, "b", &row);
        let record = records.iter().next().unwrap();
        let headers: Vec<_> = record
            .headers()
            .map(|(name, value)| format!("{name}={}", String::from_utf8_lossy(value)))
            .filter(|header| !header.starts_with("content-type") && !header.starts_with("ce_spec"))
            .collect();
        assert_eq!(record.key(), Some(&b"acme\x1fInitech"[..]));
        for wanted in [
            "ce_id=accounts-1-7/company",
            "ce_source=/acme/zoho",
            "ce_time=2026-11-30T08:00:00Z",
            "ce_companyid=1P02X",
            "weir_run=accounts-1",
            "weir_row=7",
            "weir_batch=b",
        ] {
            assert!(headers.iter().any(|header| header == wanted), "{wanted}: {headers:?}");
        }
    }
}
