//! Spans of requests for OpenTelemetry: of those alone whose sender has sampled them. A request makes its spans when it
//! has been answered; [`export`] sends them, on a thread of its own.
//!
//! Names and attributes are those of OpenTelemetry's conventions for HTTP servers, and `weir.…`.

mod export;

use std::cell::{Cell, RefCell};
use std::time::{Duration, Instant, SystemTime};

use opentelemetry::trace::{
    Span as _, SpanContext, SpanId, SpanKind, Status, TraceContextExt as _, TraceFlags, TraceId, TraceState,
    Tracer as _,
};
use opentelemetry::{Context, KeyValue};

use self::export::{Exporter, Variables};
use super::answered::Ended;
use super::metrics::Metrics;
use crate::config::Environment;

/// Methods that spans name. A client may have made up any other, so that is `_OTHER`.
const METHODS: [&str; 7] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];

/// Where spans go.
#[derive(Debug)]
pub struct Spans(Option<Exporter>);

impl Spans {
    /// Nowhere.
    pub fn none() -> Self {
        Spans(None)
    }

    /// To the collector that OpenTelemetry's variables in the environment name; nowhere if they name none.
    ///
    /// # Errors
    /// When a variable can't be used: one sentence.
    pub fn from_environment(environment: Environment<'_>, metrics: &Metrics) -> Result<Self, String> {
        Ok(Spans(Exporter::new(&Variables(environment), &metrics.spans)?))
    }

    /// The span of a request with this `traceparent`, which is asked for only if spans go anywhere.
    pub fn of<'a>(&self, traceparent: impl FnOnce() -> Option<&'a str>) -> RequestSpan {
        let parent = self.0.as_ref().and_then(|_| sampled(traceparent()?));
        RequestSpan(parent.map(|parent| Box::new(Open::under(parent))))
    }

    /// Sends what is left, within a second or two.
    pub fn stop(&self) {
        if let Some(exporter) = &self.0 {
            exporter.stop();
        }
    }
}

/// The context of a well-formed `traceparent`, if its sender has sampled the trace.
fn sampled(traceparent: &str) -> Option<SpanContext> {
    let mut parts = traceparent.split('-').skip(1);
    let trace = TraceId::from_hex(parts.next()?).ok()?;
    let span = SpanId::from_hex(parts.next()?).ok()?;
    let flags = TraceFlags::new(u8::from_str_radix(parts.next()?, 16).ok()?);
    let context = SpanContext::new(trace, span, flags, true, TraceState::NONE);
    (context.is_valid() && context.is_sampled()).then_some(context)
}

/// What becomes the span of one request; nothing for a request that is not sampled.
#[derive(Debug)]
pub struct RequestSpan(Option<Box<Open>>);

#[derive(Debug)]
struct Open {
    parent: SpanContext,
    source: RefCell<Option<String>>,
    events: Cell<Option<u64>>,
    /// Since when and for how long it waited for the queue, and whether its records became durable.
    wait: Cell<Option<(Instant, Duration, bool)>>,
}

impl Open {
    fn under(parent: SpanContext) -> Self {
        Open { parent, source: RefCell::default(), events: Cell::default(), wait: Cell::default() }
    }
}

impl RequestSpan {
    /// It is a request of this source, or publisher.
    pub fn source(&self, id: &str) {
        if let Some(open) = &self.0 {
            open.source.replace(Some(id.to_owned()));
        }
    }

    /// It brought so many events.
    pub fn events(&self, count: impl FnOnce() -> u64) {
        if let Some(open) = &self.0 {
            open.events.set(Some(count()));
        }
    }

    /// It waits for its records to become durable.
    pub fn waiting(&self) -> Waiting<'_> {
        Waiting(self.0.as_deref().map(|open| (open, Instant::now())))
    }

    /// It was answered: `spans` send it.
    pub fn end(&self, spans: &Spans, ended: &Ended<'_>) {
        if let (Some(open), Some(exporter)) = (&self.0, &spans.0) {
            send(open, exporter, ended);
        }
    }
}

/// A request that waits for the queue.
#[derive(Debug)]
pub struct Waiting<'r>(Option<(&'r Open, Instant)>);

impl Waiting<'_> {
    /// The wait is over, and the records are durable or not.
    pub fn over(self, is_durable: bool) {
        if let Some((open, since)) = self.0 {
            open.wait.set(Some((since, since.elapsed(), is_durable)));
        }
    }
}

fn send(open: &Open, exporter: &Exporter, ended: &Ended<'_>) {
    let wait = open.wait.get();
    let Some(tracer) = exporter.room_for(1 + usize::from(wait.is_some())) else { return };
    let now = SystemTime::now();
    let at = |instant: Instant| now.checked_sub(instant.elapsed()).unwrap_or(now);
    let method = METHODS.into_iter().find(|known| *known == ended.method).unwrap_or("_OTHER");
    let mut attributes = vec![
        KeyValue::new("http.request.method", method),
        KeyValue::new("http.route", ended.route),
        KeyValue::new("http.response.status_code", i64::from(ended.status)),
    ];
    attributes.extend(open.source.take().map(|source| KeyValue::new("weir.source", source)));
    let events = open.events.get().and_then(|events| i64::try_from(events).ok());
    attributes.extend(events.map(|events| KeyValue::new("weir.events", events)));
    let builder = tracer
        .span_builder(format!("{method} {}", ended.route))
        .with_kind(SpanKind::Server)
        .with_start_time(at(ended.began))
        .with_attributes(attributes);
    let mut span =
        tracer.build_with_context(builder, &Context::new().with_remote_span_context(open.parent.clone()));
    if let Some((since, waited, is_durable)) = wait {
        let builder = tracer.span_builder("queue wait").with_start_time(at(since));
        let under = Context::new().with_remote_span_context(span.span_context().clone());
        let mut child = tracer.build_with_context(builder, &under);
        if !is_durable {
            child.set_status(Status::error("the records did not become durable in time"));
        }
        child.end_with_timestamp(at(since).checked_add(waited).unwrap_or(now));
    }
    if ended.status >= 500 {
        span.set_status(Status::error(""));
    }
    span.end_with_timestamp(now);
}

#[cfg(test)]
mod tests {
    use super::sampled;

    #[test]
    fn only_what_its_sender_has_sampled_has_a_span() {
        let of = |ids: &str, flags: &str| sampled(&format!("00-{ids}-{flags}"));
        let ids = "0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331";
        let context = of(ids, "01").unwrap();
        assert_eq!(format!("{}-{}", context.trace_id(), context.span_id()), ids);
        assert!(of(ids, "03").is_some(), "another flag besides");
        assert!(of(ids, "00").is_none() && of(ids, "02").is_none(), "not sampled");
        assert!(of("00000000000000000000000000000000-b7ad6b7169203331", "01").is_none(), "no trace");
        assert!(of("0af7651916cd43dd8448eb211c80319c-0000000000000000", "01").is_none(), "no parent");
    }
}
