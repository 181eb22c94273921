//! The way of spans to a collector: OTLP, protobuf over plain HTTP, in batches, on a thread of its own. A collector
//! that is away costs a counter, and one line when that begins.

use std::ffi::OsStr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use opentelemetry::KeyValue;
use opentelemetry::trace::TracerProvider as _;
use opentelemetry_http::{Bytes, HttpClient, HttpError, Request, Response};
use opentelemetry_otlp::{SpanExporter as Otlp, WithHttpConfig as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{
    BatchConfigBuilder, BatchSpanProcessor, Sampler, SdkTracer, SdkTracerProvider, SpanData, SpanExporter,
};
use prometheus::{IntCounter, IntCounterVec};

use crate::config::Environment;

/// How many spans may wait to be sent.
const QUEUE: usize = 2_048;
/// How long a collector may take to answer, unless the environment says otherwise: OpenTelemetry's default.
const TIMEOUT: Duration = Duration::from_secs(10);
/// How long the last spans may take when Weir stops.
const LAST: Duration = Duration::from_secs(2);
/// Most bytes that are read of a collector's answer.
const ANSWER_BYTES: u64 = 64 << 10;

/// Sends spans.
#[derive(Debug)]
pub(super) struct Exporter {
    provider: SdkTracerProvider,
    tracer: SdkTracer,
    /// Spans that wait, or are on their way.
    unsent: Arc<AtomicUsize>,
    dropped: IntCounter,
}

impl Exporter {
    /// To the collector that the environment names, if it names one; counted in `spans`, by outcome.
    ///
    /// # Errors
    /// When a variable can't be used: one sentence.
    pub(super) fn new(variables: &Variables<'_>, spans: &IntCounterVec) -> Result<Option<Self>, String> {
        let is_off =
            variables.get("OTEL_SDK_DISABLED").is_some_and(|value| value.eq_ignore_ascii_case("true"));
        let Some((variable, endpoint)) = variables.of_traces("ENDPOINT").filter(|_| !is_off) else {
            return Ok(None);
        };
        if !endpoint.starts_with("http://") {
            return Err(format!(
                "{variable}: Weir sends spans over plain HTTP; name a collector beside it, as http://127.0.0.1:4318"
            ));
        }
        if let Some((variable, protocol)) =
            variables.of_traces("PROTOCOL").filter(|(_, it)| it != "http/protobuf")
        {
            return Err(format!("{variable}: Weir does not speak {protocol}; use http/protobuf"));
        }
        let built = Otlp::builder().with_http().with_http_client(Client::new(variables.timeout()?)).build();
        let exporter = built.map_err(|error| format!("{variable}: {error}"))?;
        let unsent = Arc::new(AtomicUsize::new(0));
        let outcome = |outcome| spans.with_label_values(&[outcome]);
        let counted = Counted {
            exporter,
            unsent: Arc::clone(&unsent),
            sent: outcome("sent"),
            failed: outcome("failed"),
            is_away: AtomicBool::new(false),
        };
        let batches = BatchConfigBuilder::default().with_max_queue_size(QUEUE).build();
        let provider = SdkTracerProvider::builder()
            .with_span_processor(BatchSpanProcessor::builder(counted).with_batch_config(batches).build())
            // Whether a trace is sampled has been asked before.
            .with_sampler(Sampler::AlwaysOn)
            .with_resource(variables.resource())
            .build();
        let tracer = provider.tracer("weir");
        Ok(Some(Exporter { provider, tracer, unsent, dropped: outcome("dropped") }))
    }

    /// What makes so many spans, if there is room for them. If there is not, they count as dropped.
    pub(super) fn room_for(&self, spans: usize) -> Option<&SdkTracer> {
        if self.unsent.fetch_add(spans, Ordering::Relaxed) + spans <= QUEUE {
            return Some(&self.tracer);
        }
        self.unsent.fetch_sub(spans, Ordering::Relaxed);
        self.dropped.inc_by(u64::try_from(spans).unwrap_or_default());
        None
    }

    pub(super) fn stop(&self) {
        // What could not be sent is counted already.
        drop(self.provider.shutdown_with_timeout(LAST));
    }
}

/// OpenTelemetry's variables. Its libraries read some of them by themselves.
pub(super) struct Variables<'e>(pub(super) Environment<'e>);

impl Variables<'_> {
    /// The value of one, unless it is empty.
    fn get(&self, variable: &str) -> Option<String> {
        let value = (self.0)(OsStr::new(variable))?;
        Some(value.to_string_lossy().into_owned()).filter(|value| !value.is_empty())
    }

    /// The one for `what` and its value: that of traces, else that of all signals.
    fn of_traces(&self, what: &str) -> Option<(String, String)> {
        ["TRACES_", ""].iter().find_map(|signal| {
            let variable = format!("OTEL_EXPORTER_OTLP_{signal}{what}");
            self.get(&variable).map(|value| (variable, value))
        })
    }

    fn timeout(&self) -> Result<Duration, String> {
        let Some((variable, value)) = self.of_traces("TIMEOUT") else { return Ok(TIMEOUT) };
        let millis = value.parse().ok().filter(|millis| *millis > 0);
        let wrong =
            || format!("{variable}: {value:?} is no number of milliseconds; write one, such as 10000");
        millis.map(Duration::from_millis).ok_or_else(wrong)
    }

    /// Who sends: `OTEL_SERVICE_NAME` and `OTEL_RESOURCE_ATTRIBUTES`, else `weir`.
    fn resource(&self) -> Resource {
        let is_named = self.get("OTEL_SERVICE_NAME").is_some()
            || self.get("OTEL_RESOURCE_ATTRIBUTES").is_some_and(|list| list.contains("service.name="));
        let resource =
            Resource::builder().with_attribute(KeyValue::new("service.version", env!("CARGO_PKG_VERSION")));
        if is_named { resource.build() } else { resource.with_service_name("weir").build() }
    }
}

/// Counts what became of the spans.
#[derive(Debug)]
struct Counted {
    exporter: Otlp,
    unsent: Arc<AtomicUsize>,
    sent: IntCounter,
    failed: IntCounter,
    is_away: AtomicBool,
}

impl SpanExporter for Counted {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let spans = batch.len();
        let outcome = self.exporter.export(batch).await;
        self.unsent.fetch_sub(spans, Ordering::Relaxed);
        let counter = if outcome.is_ok() { &self.sent } else { &self.failed };
        counter.inc_by(u64::try_from(spans).unwrap_or_default());
        let was_away = self.is_away.swap(outcome.is_err(), Ordering::Relaxed);
        match &outcome {
            Err(error) if !was_away => tracing::warn!(
                %error,
                "the collector takes no spans, so they are dropped; weir_spans_total counts them; see whether it \
                 runs, and whether OTEL_EXPORTER_OTLP_ENDPOINT names it"
            ),
            Ok(()) if was_away => tracing::info!("the collector takes spans again"),
            _ => {}
        }
        outcome
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.exporter.shutdown_with_timeout(timeout)
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.exporter.set_resource(resource);
    }
}

/// An HTTP client that blocks: the thread that sends has nothing else to do.
#[derive(Debug)]
struct Client(ureq::Agent);

impl Client {
    fn new(timeout: Duration) -> Self {
        let config = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .timeout_global(Some(timeout))
            .user_agent(concat!("weir/", env!("CARGO_PKG_VERSION")));
        Client(config.build().into())
    }

    fn send(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let (head, mut body) = self.0.run(request.map(Vec::from))?.into_parts();
        let body = body.with_config().limit(ANSWER_BYTES).read_to_vec()?;
        Ok(Response::from_parts(head, body.into()))
    }
}

impl HttpClient for Client {
    fn send_bytes<'client, 'sent>(
        &'client self,
        request: Request<Bytes>,
    ) -> Pin<Box<dyn Future<Output = Result<Response<Bytes>, HttpError>> + Send + 'sent>>
    where
        'client: 'sent,
        Self: 'sent,
    {
        Box::pin(std::future::ready(self.send(request)))
    }
}
