//! What is shown of a process: one page of text, made of two looks at its metrics. Pure.

use std::time::Duration;

use super::samples::Samples;
use crate::cli::tail::print::printable;
use crate::system::advice::readable;

/// A process as it is looked at.
#[derive(Clone, Debug, Default)]
pub(super) struct Look {
    /// What `/readyz` says.
    pub(super) is_ready: bool,
    /// Its metrics.
    pub(super) samples: Samples,
}

/// What changed between two looks, and how long that took.
pub(super) struct Change<'a> {
    pub(super) before: &'a Look,
    pub(super) now: &'a Look,
    pub(super) took: Duration,
}

const OUTCOMES: [&str; 4] = ["queued", "quarantined", "ignored", "refused"];

impl Change<'_> {
    /// The page: a title, and a block for each question. What there is nothing of is left out.
    pub(super) fn page(&self, address: &str) -> Vec<String> {
        let blocks = [self.title(address), self.events(), self.reasons(), self.queue(), self.loaders()];
        let mut lines = Vec::new();
        for block in blocks.into_iter().filter(|block| !block.is_empty()) {
            if !lines.is_empty() {
                lines.push(String::new());
            }
            lines.extend(block);
        }
        lines
    }

    fn title(&self, address: &str) -> Vec<String> {
        let version = self.now.samples.values_of("weir_build_info", "version").join(" ");
        let ready = if self.now.is_ready { "ready" } else { "NOT READY" };
        let mut lines = vec![format!("weir {version} at {address}: {ready}")];
        lines.extend(self.troubles().into_iter().map(|trouble| format!("  {trouble}")));
        lines
    }

    /// What is wrong now, as far as metrics tell.
    fn troubles(&self) -> Vec<String> {
        let samples = &self.now.samples;
        let mut troubles: Vec<String> = self
            .rates("weir_unavailable_total", "cause")
            .into_iter()
            .filter(|(_, rate, _)| *rate > 0.0)
            .map(|(cause, rate, _)| format!("answers 503 because of {cause}, {} a second", shown(rate)))
            .collect();
        let is_down = |(_, up): &(&str, f64)| *up == 0.0;
        let down = samples.by("weir_kafka_broker_up", "broker").into_iter().filter(is_down);
        troubles.extend(down.map(|(broker, _)| format!("Kafka's broker {} is away", printable(broker))));
        let idle = samples.by("weir_load_ready", "loader").into_iter().filter(is_down);
        troubles.extend(idle.map(|(loader, _)| {
            format!("the loader {} can't reach the queue or the store; the log says why", printable(loader))
        }));
        if let Some(seconds) = samples.value("weir_spool_oldest_seconds").filter(|seconds| *seconds > 0.0) {
            troubles.push(format!("the oldest record has waited for Kafka for {seconds:.0} s"));
        }
        troubles
    }

    /// Events a second by source and outcome, and how many there were in all.
    fn events(&self) -> Vec<String> {
        let name = "weir_events_total";
        let sources = self.now.samples.values_of(name, "source");
        let width = sources.iter().map(|source| source.chars().count()).max().unwrap_or(0).max(8);
        let row = |first: &str, cells: [String; 5]| {
            let [queued, quarantined, ignored, refused, total] = cells;
            format!(
                "{first:<width$}  {queued:>10}  {quarantined:>11}  {ignored:>10}  {refused:>10}  {total:>14}"
            )
        };
        let heads = ["queued", "quarantined", "ignored", "refused", "in all"].map(str::to_owned);
        let mut lines = vec![row("events/s", heads)];
        for source in sources {
            let rate = |outcome: &str| {
                self.rate(|samples| samples.sum(name, &[("source", source), ("outcome", outcome)]))
            };
            let [queued, quarantined, ignored, refused] = OUTCOMES.map(|outcome| shown(rate(outcome)));
            let total = self.now.samples.sum(name, &[("source", source)]);
            lines.push(row(
                &printable(source),
                [queued, quarantined, ignored, refused, format!("{total:.0}")],
            ));
        }
        if lines.len() > 1 { lines } else { Vec::new() }
    }

    /// Why events were quarantined or ignored, and requests refused.
    fn reasons(&self) -> Vec<String> {
        let mut lines = Vec::new();
        for (what, name, label) in [
            ("quarantined", "weir_quarantined_total", "reason"),
            ("ignored", "weir_ignored_total", "reason"),
            ("answered 503", "weir_unavailable_total", "cause"),
        ] {
            for (reason, rate, total) in
                self.rates(name, label).into_iter().filter(|(.., total)| *total > 0.0)
            {
                lines.push(format!("{what:<12}  {reason:<24}  {:>10}  {total:>14.0}", shown(rate)));
            }
        }
        for (status, rate, total) in self.rates("weir_http_requests_total", "status") {
            let is_refusal = status.starts_with('4') && total > 0.0;
            let line = || format!("{:<12}  {:<24}  {:>10}  {total:>14.0}", "answered", status, shown(rate));
            lines.extend(is_refusal.then(line));
        }
        if !lines.is_empty() {
            lines.insert(
                0,
                format!("{:<12}  {:<24}  {:>10}  {:>14}", "refusals", "reason", "a second", "in all"),
            );
        }
        lines
    }

    /// Where records wait.
    fn queue(&self) -> Vec<String> {
        let samples = &self.now.samples;
        let bytes = |name: &str| samples.value(name).filter(|bytes| *bytes > 0.0).map(readable_of);
        let limit = bytes("weir_queue_limit_bytes").map_or(String::new(), |limit| format!(" of {limit}"));
        let mut lines = Vec::new();
        if let Some(journal) = bytes("weir_journal_bytes") {
            lines.push(format!("journal       {journal}{limit}"));
        }
        if let (Some(spool), Some(records)) = (bytes("weir_spool_bytes"), samples.value("weir_spool_records"))
        {
            lines.push(format!("spool         {spool}{limit}, {records:.0} records wait for Kafka"));
        }
        if let Some(records) = samples.value("weir_queue_inflight_records") {
            lines.push(format!("in flight     {records:.0} records not yet durable"));
        }
        lines
    }

    /// How far each loader is behind.
    fn loaders(&self) -> Vec<String> {
        let samples = &self.now.samples;
        let mut lines = Vec::new();
        for (loader, ready) in samples.by("weir_load_ready", "loader") {
            let of = |name: &str| samples.sum(name, &[("loader", loader)]);
            let loaded = [("loader", loader), ("outcome", "loaded")];
            let rate = self.rate(|samples| samples.sum("weir_load_records_total", &loaded));
            let failed = samples.sum("weir_load_records_total", &[("loader", loader), ("outcome", "failed")]);
            lines.push(format!(
                "loader {:<6} {}, {:.0} records behind, {:.1} s; {} loaded a second, {failed:.0} failed in all",
                printable(loader),
                if ready == 0.0 { "AWAY" } else { "loading" },
                of("weir_load_lag_records"),
                of("weir_load_lag_seconds"),
                shown(rate)
            ));
        }
        lines
    }

    /// Each value of `label` of a counter, with how often it counted in a second, and in all.
    fn rates(&self, name: &str, label: &str) -> Vec<(&str, f64, f64)> {
        let now = self.now.samples.by(name, label).into_iter();
        now.map(|(value, total)| {
            let rate = self.rate(|samples| samples.by(name, label).get(value).copied().unwrap_or_default());
            (value, rate, total)
        })
        .collect()
    }

    /// By how much something grows in a second. A process that was started anew begins at 0.
    fn rate(&self, count: impl Fn(&Samples) -> f64) -> f64 {
        let grown = (count(&self.now.samples) - count(&self.before.samples)).max(0.0);
        grown / self.took.as_secs_f64().max(0.001)
    }
}

fn shown(rate: f64) -> String {
    format!("{rate:.1}")
}

fn readable_of(bytes: f64) -> String {
    // A metric of bytes is a whole number that a double holds.
    readable(format!("{bytes:.0}").parse().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    const BEFORE: &str = "weir_events_total{outcome=\"queued\",source=\"web\",type=\"track\"} 100\n\
        weir_load_records_total{loader=\"store\",outcome=\"loaded\",record=\"event\"} 100\n";

    const NOW: &str = "weir_build_info{version=\"0.1.0\"} 1\n\
        weir_events_total{outcome=\"queued\",source=\"web\",type=\"track\"} 120\n\
        weir_events_total{outcome=\"queued\",source=\"web\",type=\"group\"} 4\n\
        weir_events_total{outcome=\"ignored\",source=\"web\",type=\"page\"} 1\n\
        weir_events_total{outcome=\"queued\",source=\"app\",type=\"track\"} 0\n\
        weir_quarantined_total{reason=\"email_missing\"} 3\nweir_quarantined_total{reason=\"invalid_json\"} 0\n\
        weir_http_requests_total{route=\"/v1/track\",status=\"200\"} 9\n\
        weir_http_requests_total{route=\"/v1/track\",status=\"401\"} 2\n\
        weir_queue_limit_bytes 10737418240\nweir_journal_bytes 2097152\nweir_queue_inflight_records 5\n\
        weir_load_ready{loader=\"store\"} 1\nweir_load_lag_records{loader=\"store\"} 7\n\
        weir_load_lag_seconds{loader=\"store\"} 0.25\n\
        weir_load_records_total{loader=\"store\",outcome=\"loaded\",record=\"event\"} 140\n\
        weir_load_records_total{loader=\"store\",outcome=\"failed\",record=\"event\"} 1\n";

    /// The page of two looks that are two seconds apart.
    fn page(before: &str, now: &str, is_ready: bool) -> String {
        let look = |text| Look { is_ready, samples: Samples::read(text) };
        let (before, now) = (look(before), look(now));
        Change { before: &before, now: &now, took: Duration::from_secs(2) }.page("http://x").join("\n")
    }

    #[test]
    fn a_page_shows_rates_totals_reasons_and_lags() {
        let expected = "\
weir 0.1.0 at http://x: ready

events/s      queued  quarantined     ignored     refused          in all
app              0.0          0.0         0.0         0.0               0
web             12.0          0.0         0.5         0.0             125

refusals      reason                      a second          in all
quarantined   email_missing                    1.5               3
answered      401                              1.0               2

journal       2048.0 KiB of 10.0 GiB
in flight     5 records not yet durable

loader store  loading, 7 records behind, 0.2 s; 20.0 loaded a second, 1 failed in all";
        assert_eq!(page(BEFORE, NOW, true), expected);
    }

    #[test]
    fn a_page_says_what_is_wrong() {
        let now = "weir_unavailable_total{cause=\"journal_full\"} 4\nweir_kafka_broker_up{broker=\"k1:9092\"} 0\n\
            weir_kafka_broker_up{broker=\"k2:9092\"} 1\nweir_load_ready{loader=\"store\"} 0\n\
            weir_spool_oldest_seconds 61.5\nweir_spool_bytes 1024\nweir_spool_records 12\n";
        let page = page("", now, false);
        for line in [
            "NOT READY\n  answers 503 because of journal_full, 2.0 a second\n",
            "\n  Kafka's broker k1:9092 is away\n",
            "\n  the loader store can't reach the queue or the store; the log says why\n",
            "\n  the oldest record has waited for Kafka for 62 s\n",
            "\nspool         1.0 KiB, 12 records wait for Kafka\n",
            "\nloader store  AWAY",
        ] {
            assert!(page.contains(line), "{line:?} is not in\n{page}");
        }
        assert!(!page.contains("k2"));
    }

    #[test]
    fn a_process_that_was_started_anew_shows_no_negative_rates() {
        let page = page(NOW, BEFORE, true);
        assert!(
            page.contains("web              0.0          0.0         0.0         0.0             100"),
            "{page}"
        );
    }
}
