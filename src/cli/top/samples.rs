//! Metrics as Prometheus' text format has them, read back. Pure.

use std::collections::BTreeMap;

/// One look at all metrics of a process.
#[derive(Clone, Debug, Default)]
pub(super) struct Samples(Vec<Sample>);

#[derive(Clone, Debug)]
struct Sample {
    name: String,
    labels: BTreeMap<String, String>,
    value: f64,
}

impl Samples {
    /// What `text` says; lines that say nothing of the kind are passed over.
    pub(super) fn read(text: &str) -> Self {
        Samples(text.lines().filter_map(sample).collect())
    }

    /// The value of the one metric of this name; none where there is none.
    pub(super) fn value(&self, name: &str) -> Option<f64> {
        self.of(name).next().map(|sample| sample.value)
    }

    /// The sums of the metrics of this name, by their value of `label`.
    pub(super) fn by<'s>(&'s self, name: &str, label: &str) -> BTreeMap<&'s str, f64> {
        let mut sums = BTreeMap::new();
        for sample in self.of(name) {
            let value = sample.labels.get(label).map_or("", String::as_str);
            *sums.entry(value).or_default() += sample.value;
        }
        sums
    }

    /// The sum of the metrics of this name that have these labels.
    pub(super) fn sum(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        let has = |sample: &&Sample| {
            labels.iter().all(|(label, value)| sample.labels.get(*label).is_some_and(|found| found == value))
        };
        self.of(name).filter(has).map(|sample| sample.value).sum()
    }

    /// The values of `label` of the metrics of this name, each once.
    pub(super) fn values_of<'s>(&'s self, name: &str, label: &str) -> Vec<&'s str> {
        self.by(name, label).into_keys().collect()
    }

    fn of<'s>(&'s self, name: &str) -> impl Iterator<Item = &'s Sample> {
        self.0.iter().filter(move |sample| sample.name == name)
    }
}

/// `name{label="value",…} number`
fn sample(line: &str) -> Option<Sample> {
    let (before, value) = line.rsplit_once(' ').filter(|_| !line.starts_with('#'))?;
    let (name, labels) = before.split_once('{').unwrap_or((before, ""));
    let mut labels_found = BTreeMap::new();
    let mut rest = labels;
    while let Some((label, quoted)) = rest.split_once("=\"") {
        let (value, behind) = unquoted(quoted)?;
        labels_found.insert(label.to_owned(), value);
        rest = behind.strip_prefix(',').unwrap_or_default();
    }
    Some(Sample { name: name.to_owned(), labels: labels_found, value: value.parse().ok()? })
}

/// A label's value up to its closing quote, and what is behind that.
fn unquoted(text: &str) -> Option<(String, &str)> {
    let (mut value, mut is_escaped) = (String::new(), false);
    for (place, character) in text.char_indices() {
        match (is_escaped, character) {
            (true, 'n') => value.push('\n'),
            (true, other) => value.push(other),
            (false, '\\') => {}
            (false, '"') => return Some((value, text.get(place + 1..)?)),
            (false, other) => value.push(other),
        }
        is_escaped = !is_escaped && character == '\\';
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metrics_are_found_by_name_and_labels() {
        let samples = Samples::read(
            "# HELP a what it is\n# TYPE a counter\na{source=\"web\",type=\"track\"} 3\n\
             a{source=\"web\",type=\"group\"} 4\n\
             a{source=\"it's \\\"x\\\" \\\\ {,}\",type=\"track\"} 1e3\nb 0.5\nnonsense\n",
        );
        assert_eq!(samples.by("a", "source"), [("it's \"x\" \\ {,}", 1_000.0), ("web", 7.0)].into());
        assert_eq!(samples.sum("a", &[("type", "track"), ("source", "web")]), 3.0);
        assert_eq!((samples.value("b"), samples.value("c")), (Some(0.5), None));
        assert_eq!(samples.values_of("a", "type"), ["group", "track"]);
    }

    #[test]
    fn what_is_broken_is_passed_over() {
        for text in ["a{b=\"c 1", "a{b=\"c\"} x", "", "{", "a"] {
            assert_eq!(Samples::read(text).0.len(), 0, "{text}");
        }
    }
}
