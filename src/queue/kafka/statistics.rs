//! librdkafka's statistics as metrics: its buffers, and each broker's connection and round trip.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

use rdkafka::Statistics;
use rdkafka::statistics::Broker;

use crate::observe::metrics::Metrics;

/// The brokers that stand in the metrics, so that those that left the cluster can be taken out. One for all producers
/// of a queue: each knows only the brokers that it has reached itself.
#[derive(Debug, Default)]
pub(super) struct Brokers(Mutex<BTreeSet<String>>);

impl Brokers {
    /// Publishes one report and returns whether any broker is connected.
    pub(super) fn publish(&self, statistics: &Statistics, metrics: &Metrics) -> bool {
        metrics.kafka.queue_messages.set(signed(statistics.msg_cnt));
        metrics.kafka.queue_bytes.set(signed(statistics.msg_size));
        let mut seen = BTreeSet::new();
        for broker in statistics.brokers.values().filter(|broker| is_member(broker)) {
            let up = if is_up(broker) { 1.0 } else { 0.0 };
            metrics.kafka.broker_up.with_label_values(&[&broker.name]).set(up);
            let average = broker.rtt.as_ref().and_then(|window| u64::try_from(window.avg).ok());
            match average.filter(|micros| *micros > 0) {
                Some(micros) => {
                    let seconds = std::time::Duration::from_micros(micros).as_secs_f64();
                    metrics.kafka.broker_rtt.with_label_values(&[&broker.name]).set(seconds);
                }
                // No answer in this window: a round trip of 0 would look like the best of all.
                None => metrics.kafka.broker_rtt.remove_label_values(&[&broker.name]).unwrap_or_default(),
            }
            seen.insert(broker.name.clone());
        }
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let knows_the_cluster = !seen.is_empty();
        for gone in known.difference(&seen) {
            // One that isn't there needs no removal.
            metrics.kafka.broker_rtt.remove_label_values(&[gone]).unwrap_or_default();
            if knows_the_cluster {
                metrics.kafka.broker_up.remove_label_values(&[gone]).unwrap_or_default();
            } else {
                // A new producer that has reached nobody: those that the last one knew are away.
                metrics.kafka.broker_up.with_label_values(&[gone]).set(0.0);
            }
        }
        if knows_the_cluster {
            *known = seen;
        }
        statistics.brokers.values().any(is_up)
    }
}

/// A broker of the cluster: not a bootstrap address, not a coordinator's second entry.
fn is_member(broker: &Broker) -> bool {
    broker.nodeid >= 0 && broker.source != "logical"
}

fn is_up(broker: &Broker) -> bool {
    broker.state == "UP"
}

fn signed(amount: u64) -> i64 {
    i64::try_from(amount).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rdkafka::statistics::Window;

    fn broker(name: &str, nodeid: i32, state: &str) -> (String, Broker) {
        let rtt = Some(Window { avg: 1_500, ..Window::default() });
        let broker =
            Broker { name: name.to_owned(), nodeid, state: state.to_owned(), rtt, ..Broker::default() };
        (name.to_owned(), broker)
    }

    fn report(brokers: Vec<(String, Broker)>) -> Statistics {
        Statistics {
            msg_cnt: 3,
            msg_size: 90,
            brokers: brokers.into_iter().collect(),
            ..Statistics::default()
        }
    }

    #[test]
    fn brokers_appear_with_their_names_and_vanish_when_they_leave() {
        let (brokers, metrics) = (Brokers::default(), Metrics::new([]).unwrap());
        let bootstrap = broker("kafka:9092/bootstrap", -1, "UP");
        assert!(brokers.publish(&report(vec![broker("k1:9092/1", 1, "UP"), bootstrap]), &metrics));
        let text = String::from_utf8(metrics.render()).unwrap();
        assert!(text.contains("weir_kafka_broker_up{broker=\"k1:9092/1\"} 1\n"), "{text}");
        assert!(text.contains("weir_kafka_broker_rtt_seconds{broker=\"k1:9092/1\"} 0.0015\n"), "{text}");
        assert!(
            text.contains("weir_kafka_queue_messages 3\n") && text.contains("weir_kafka_queue_bytes 90\n")
        );
        assert!(!text.contains("bootstrap"));

        assert!(!brokers.publish(&report(vec![broker("k2:9092/2", 2, "CONNECT")]), &metrics));
        let text = String::from_utf8(metrics.render()).unwrap();
        assert!(text.contains("weir_kafka_broker_up{broker=\"k2:9092/2\"} 0\n") && !text.contains("k1:9092"));
    }

    #[test]
    fn brokers_are_down_while_a_new_producer_reaches_none_of_them() {
        let (brokers, metrics) = (Brokers::default(), Metrics::new([]).unwrap());
        let rendered = || String::from_utf8(metrics.render()).unwrap();
        brokers.publish(&report(vec![broker("k1:9092/1", 1, "UP")]), &metrics);
        assert!(!brokers.publish(&report(vec![broker("kafka:9092/bootstrap", -1, "CONNECT")]), &metrics));
        let text = rendered();
        assert!(text.contains("weir_kafka_broker_up{broker=\"k1:9092/1\"} 0\n"), "{text}");
        assert!(!text.contains("weir_kafka_broker_rtt_seconds{"), "{text}");
        // It may come back as another.
        brokers.publish(&report(vec![broker("k2:9092/2", 2, "UP")]), &metrics);
        assert!(!rendered().contains("k1:9092"));
    }
}
