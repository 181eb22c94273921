//! `reference`: the least that a gateway in front of Kafka must do. It splits a body into events and sends
//! one record for each, with Weir's producer settings, as many headers as Weir's record of it has, and the
//! event's properties or traits as value; it answers once all of them are acknowledged. No access key is
//! looked up, nothing is validated beyond JSON's shape, nothing is mapped, counted, limited or quarantined.

use std::io;
use std::sync::Arc;

use actix_web::web::{self, Bytes, Data, PayloadConfig};
use actix_web::{App, HttpResponse, HttpServer};
use clap::Args;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::{ClientContext, DefaultClientContext};
use rdkafka::config::ClientConfig;
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{BaseRecord, DeliveryResult, ProducerContext, ThreadedProducer};
use rdkafka::types::RDKafkaErrorCode;
use serde::Deserialize;
use serde_json::value::RawValue;
use weir::config::Overrides;
use weir::queue::Completion;
use weir::queue::kafka::producer_settings;
use weir::setup::load;

use crate::server::{BODY_BYTES, KEEP_ALIVE, Place, workers};

#[derive(Args, Debug)]
pub struct Flags {
    #[command(flatten)]
    place: Place,
    /// Kafka's bootstrap list
    #[arg(long, value_name = "LIST")]
    brokers: String,
    /// The topic that all records go to; it is created where it is missing
    #[arg(long, value_name = "NAME")]
    topic: String,
    /// As many topics instead, `<NAME>.0` and so on: event n goes to the one numbered n modulo this
    #[arg(long)]
    topics: Option<usize>,
}

impl Flags {
    fn names(&self) -> Vec<String> {
        match self.topics {
            None => vec![self.topic.clone()],
            Some(topics) => (0..topics).map(|topic| format!("{}.{topic}", self.topic)).collect(),
        }
    }
}

/// One completion a request hears of its records.
struct Link;

impl ClientContext for Link {}

impl ProducerContext for Link {
    type DeliveryOpaque = Arc<Completion>;

    fn delivery(&self, result: &DeliveryResult<'_>, completion: Arc<Completion>) {
        if result.is_ok() {
            completion.durable(1);
        } else {
            completion.failed();
        }
    }
}

struct Gateway {
    producer: ThreadedProducer<Link>,
    topics: Vec<String>,
}

#[derive(Deserialize)]
struct Batch<'a> {
    #[serde(borrow)]
    batch: Vec<&'a RawValue>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Event<'a> {
    message_id: &'a str,
    user_id: &'a str,
    #[serde(borrow)]
    properties: Option<&'a RawValue>,
    #[serde(borrow)]
    traits: Option<&'a RawValue>,
}

impl Gateway {
    /// Sends one record for each event of a body. None: it is not JSON as expected, or the queue is full.
    async fn take(&self, path: &str, body: &[u8]) -> Option<()> {
        let receipt = if path == "/v1/batch" {
            let batch: Batch<'_> = serde_json::from_slice(body).ok()?;
            let (completion, receipt) = Completion::new(batch.batch.len());
            for event in batch.batch {
                self.send(event.get().as_bytes(), &completion)?;
            }
            receipt
        } else {
            let (completion, receipt) = Completion::new(1);
            self.send(body, &completion)?;
            receipt
        };
        receipt.await.ok()
    }

    fn send(&self, event: &[u8], completion: &Arc<Completion>) -> Option<()> {
        let event: Event<'_> = serde_json::from_slice(event).ok()?;
        let id = format!("{}/event.reference", event.message_id);
        let headers = [
            ("ce_specversion", "1.0"),
            ("ce_type", "weir.event.v1"),
            ("content-type", "application/json"),
            ("ce_id", &id),
            ("ce_source", "/load/source-0"),
            ("ce_time", "2026-11-21T09:00:00.000Z"),
            ("ce_topic", "Ticket Actions"),
            ("ce_eventname", "Ticket Closed"),
            ("ce_eventversion", "1.0.0"),
            ("ce_contract", "standard"),
        ];
        // Weir's event record has all ten, its person record the first six.
        let carried = if event.properties.is_some() { headers.len() } else { 6 };
        let headers = headers.get(..carried)?;
        let room = OwnedHeaders::new_with_capacity(headers.len());
        let headers = headers
            .iter()
            .fold(room, |all, (key, value)| all.insert(Header { key, value: Some(value.as_bytes()) }));
        let number = match self.topics.len() {
            1 => 0,
            topics => event.message_id.rsplit('-').next()?.parse::<usize>().ok()? % topics,
        };
        let record = BaseRecord::with_opaque_to(self.topics.get(number)?, Arc::clone(completion))
            .key(event.user_id)
            .payload(event.properties.or(event.traits)?.get())
            .headers(headers);
        self.producer.send(record).ok()
    }
}

/// The producer settings that Weir has without any of the operator's.
fn settings(brokers: &str) -> io::Result<ClientConfig> {
    let overrides = Overrides { brokers: Some(brokers.to_owned()), ..Overrides::default() };
    let config = load(None, &overrides).map_err(io::Error::other)?;
    Ok(producer_settings(&config.queue))
}

async fn create(brokers: &str, topics: &[String]) -> io::Result<()> {
    let mut client = ClientConfig::new();
    client.set("bootstrap.servers", brokers);
    let admin: AdminClient<DefaultClientContext> = client.create().map_err(io::Error::other)?;
    let topics: Vec<_> =
        topics.iter().map(|topic| NewTopic::new(topic, -1, TopicReplication::Fixed(-1))).collect();
    let created = admin.create_topics(&topics, &AdminOptions::new()).await.map_err(io::Error::other)?;
    for result in created {
        match result {
            Ok(_) | Err((_, RDKafkaErrorCode::TopicAlreadyExists)) => {}
            Err((topic, code)) => return Err(io::Error::other(format!("topic {topic}: {code}"))),
        }
    }
    Ok(())
}

pub fn run(flags: &Flags) -> io::Result<()> {
    actix_web::rt::System::new().block_on(serve(flags))
}

async fn serve(flags: &Flags) -> io::Result<()> {
    let topics = flags.names();
    create(&flags.brokers, &topics).await?;
    let producer = settings(&flags.brokers)?.create_with_context(Link).map_err(io::Error::other)?;
    let gateway = Data::new(Gateway { producer, topics });
    let listener = flags.place.listen()?;
    HttpServer::new(move || {
        App::new().app_data(PayloadConfig::new(BODY_BYTES)).app_data(Data::clone(&gateway)).default_service(
            web::to(|request: actix_web::HttpRequest, gateway: Data<Gateway>, body: Bytes| async move {
                match gateway.take(request.path(), &body).await {
                    Some(()) => HttpResponse::Ok().body("ok"),
                    None => HttpResponse::ServiceUnavailable().body("service unavailable"),
                }
            }),
        )
    })
    .workers(workers())
    .keep_alive(KEEP_ALIVE)
    .listen(listener)?
    .run()
    .await
}
