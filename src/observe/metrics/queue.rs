//! What is counted of the queues.

use prometheus::{Gauge, GaugeVec, Histogram, IntCounter, IntCounterVec, IntGauge};

use super::registrar::Registrar;

/// What is counted of any queue.
#[derive(Debug)]
pub struct QueueMetrics {
    /// `weir_queue_wait_seconds`: from handing over to durable.
    pub wait: Histogram,
    /// `weir_queue_inflight_records`: handed over, not yet durable.
    pub inflight_records: IntGauge,
    /// `weir_queue_inflight_bytes`.
    pub inflight_bytes: IntGauge,
    /// `weir_queue_limit_bytes`: the most that the journal, or the spool, may hold.
    pub limit_bytes: IntGauge,
}

impl QueueMetrics {
    pub(super) fn register(r: &Registrar) -> prometheus::Result<Self> {
        Ok(QueueMetrics {
            wait: r.seconds(
                "weir_queue_wait_seconds",
                "From handing records over until they are durable, in seconds.",
            )?,
            inflight_records: r.gauge("weir_queue_inflight_records", "Records not yet durable.")?,
            inflight_bytes: r.gauge("weir_queue_inflight_bytes", "Bytes of records not yet durable.")?,
            limit_bytes: r
                .gauge("weir_queue_limit_bytes", "The most that the journal, or the spool, may hold.")?,
        })
    }
}

/// What is counted of the journal.
#[derive(Debug)]
pub struct JournalMetrics {
    /// `weir_journal_bytes`: size of all segments.
    pub bytes: IntGauge,
    /// `weir_journal_sync_seconds`: one fdatasync.
    pub sync: Histogram,
}

impl JournalMetrics {
    pub(super) fn register(r: &Registrar) -> prometheus::Result<Self> {
        Ok(JournalMetrics {
            bytes: r.gauge("weir_journal_bytes", "Size of the journal's segments.")?,
            sync: r.seconds("weir_journal_sync_seconds", "Duration of one fdatasync.")?,
        })
    }
}

/// What is counted of the spool.
#[derive(Debug)]
pub struct SpoolMetrics {
    /// `weir_spool_bytes`: size of the spool's segments.
    pub bytes: IntGauge,
    /// `weir_spool_aside_bytes`: size of the segments with what Kafka refuses for good.
    pub aside_bytes: IntGauge,
    /// `weir_spool_records`: held for Kafka.
    pub records: IntGauge,
    /// `weir_spool_oldest_seconds`: how long ago the oldest of them was received.
    pub oldest_seconds: Gauge,
    /// `weir_spool_held_total{cause}`: records taken into the spool.
    pub held: IntCounterVec,
    /// `weir_spool_forwarded_total`: records of the spool that Kafka has.
    pub forwarded: IntCounter,
    /// `weir_spool_set_aside_total{class}`: records that Kafka refuses for good.
    pub set_aside: IntCounterVec,
}

impl SpoolMetrics {
    pub(super) fn register(r: &Registrar) -> prometheus::Result<Self> {
        Ok(SpoolMetrics {
            bytes: r.gauge("weir_spool_bytes", "Size of the spool's segments.")?,
            aside_bytes: r.gauge("weir_spool_aside_bytes", "Size of the segments of records set aside.")?,
            records: r.gauge("weir_spool_records", "Records held for Kafka.")?,
            oldest_seconds: r.add(Gauge::new(
                "weir_spool_oldest_seconds",
                "How long ago the oldest held record was received.",
            ))?,
            held: r.counters(
                "weir_spool_held_total",
                "Records taken into the spool, by cause.",
                &["cause"],
            )?,
            forwarded: r.add(IntCounter::new(
                "weir_spool_forwarded_total",
                "Records of the spool that Kafka has received.",
            ))?,
            set_aside: r.counters(
                "weir_spool_set_aside_total",
                "Held records that Kafka refuses for good, by class of error.",
                &["class"],
            )?,
        })
    }
}

/// What is counted of the connection to Kafka.
#[derive(Debug)]
pub struct KafkaMetrics {
    /// `weir_kafka_queue_messages`: in librdkafka's buffers.
    pub queue_messages: IntGauge,
    /// `weir_kafka_queue_bytes`.
    pub queue_bytes: IntGauge,
    /// `weir_kafka_errors_total{class}`.
    pub errors: IntCounterVec,
    /// `weir_kafka_broker_up{broker}`.
    pub broker_up: GaugeVec,
    /// `weir_kafka_broker_rtt_seconds{broker}`: average of the last window.
    pub broker_rtt: GaugeVec,
}

impl KafkaMetrics {
    pub(super) fn register(r: &Registrar) -> prometheus::Result<Self> {
        Ok(KafkaMetrics {
            queue_messages: r.gauge("weir_kafka_queue_messages", "Messages in the producer.")?,
            queue_bytes: r.gauge("weir_kafka_queue_bytes", "Bytes in the producer.")?,
            errors: r.counters("weir_kafka_errors_total", "Errors of Kafka by class.", &["class"])?,
            broker_up: r.gauges("weir_kafka_broker_up", "1 while connected to this broker.", &["broker"])?,
            broker_rtt: r.gauges(
                "weir_kafka_broker_rtt_seconds",
                "Average round trip of the last window.",
                &["broker"],
            )?,
        })
    }
}
