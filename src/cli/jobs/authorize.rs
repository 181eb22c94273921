//! `weir connection authorize`: gives a connection what it needs to be let in. Secrets come by stdin, where no list of
//! processes and no history of a shell shows them.

use std::io::Read;
use std::thread;
use std::time::{Duration, Instant};

use clap::Args;

use super::one::OneFlags;
use crate::cli::{Failure, admin, print};
use crate::connect::consenting;
use crate::connect::desk::credentials::DeskVault;
use crate::connect::desk::documents::Kind;
use crate::connect::document::{Connection, Connector};
use crate::connect::sources;
use crate::connect::tokens::Grant;
use crate::connect::vault::Vault;
use crate::connect::zoho::consent;

use super::Open;

/// How often it is looked whether somebody has consented.
const LOOK: Duration = Duration::from_millis(250);

/// The arguments of `weir connection authorize`.
#[derive(Args, Clone, Debug)]
pub struct AuthorizeArgs {
    #[command(flatten)]
    one: OneFlags,
    /// The code that a self client of Zoho's API console made; it is good for a few minutes
    #[arg(long, value_name = "CODE", conflicts_with = "secret")]
    code: Option<String>,
    /// Address of Weir's operators' listener as your browser reaches it, such as <https://weir.example.com>. Zoho has
    /// to know it, with /oauth/callback behind it, as a redirect of the client [default: `admin_api.url`, or that of
    /// the running Weir]
    #[arg(long, value_name = "URL", conflicts_with_all = ["code", "secret"])]
    callback: Option<String>,
    /// Keep what is on stdin as this secret: `client_secret` of Zoho; of others the default is `token`
    #[arg(long, value_name = "NAME")]
    secret: Option<String>,
}

/// Secrets that a connector knows, the default one first.
fn secrets(connector: Connector) -> &'static [&'static str] {
    match connector {
        Connector::Zoho => &["client_secret"],
        Connector::Ecosystems | Connector::Http => &["token"],
        Connector::S3 => &["access_key_id", "secret_access_key"],
        Connector::Folder | Connector::Upload => &[],
    }
}

pub(super) fn run(args: &AuthorizeArgs) -> Result<(), Failure> {
    let mut open = args.one.desk.open()?;
    let connection = open.clerk.connection(&args.one.id)?;
    let what = match (&args.code, &args.secret, connection.connector) {
        (Some(code), _, Connector::Zoho) => with_code(&open, &connection, code)?,
        (Some(_), _, other) => {
            let word = other.word();
            let advice =
                format!("a connection to {word} takes no code; give its secret on stdin, with --secret");
            return Err(Failure::Usage(advice));
        }
        (None, None, Connector::Zoho) => by_browser(&open, &connection, args.callback.as_deref())?,
        (None, secret, connector) => keep_secret(&open, &connection, (connector, secret.as_deref()))?,
    };
    open.clerk.desk().note(&connection.tenant, Kind::Connection, &connection.id, "authorized")?;
    print(&what)
}

/// Has somebody consent at a browser, and waits for that.
fn by_browser(open: &Open, connection: &Connection, callback: Option<&str>) -> Result<String, Failure> {
    let own = admin::address(&open.config.data).map_err(|error| {
        Failure::Named(format!(
            "{error}, since the browser comes back to it; or make a code in Zoho's API console (a self client, with \
             the scopes {}), and give it with --code",
            consent::SCOPES
        ))
    })?;
    let url = callback.or(open.config.admin_api.url.as_deref());
    let base = url.map_or_else(|| format!("http://{own}"), |url| url.trim_end_matches('/').to_owned());
    let redirect = format!("{base}/oauth/callback");
    let address = consenting::begin(connection, open.clerk.vaults(), &redirect)?;
    print(&format!(
        "Open this address, and accept; Zoho has to know {redirect} as a redirect:\n{address}\n\
         This command waits for that for ten minutes. If you have a self client, end it, make a code with the scopes \
         {}, and give it with --code.\n",
        consent::SCOPES
    ))?;
    let until = Instant::now() + Duration::from_secs(consenting::SECONDS.unsigned_abs());
    while consenting::is_open(connection, open.clerk.vaults())? {
        if Instant::now() >= until {
            let advice = "nobody has consented in ten minutes; run this command again";
            return Err(Failure::Named(advice.to_owned()));
        }
        thread::sleep(LOOK);
    }
    Ok("Zoho has answered; see whether all is well with `weir connection test`\n".to_owned())
}

fn with_code(open: &Open, connection: &Connection, code: &str) -> Result<String, Failure> {
    let mut client = sources::zoho_client(connection, open.clerk.vaults())?;
    client.tokens().authorize(Grant { code, redirect_uri: None, accounts_url: None })?;
    Ok(format!("connection {}: authorized; try it with `weir connection test {0}`\n", connection.id))
}

fn keep_secret(
    open: &Open,
    connection: &Connection,
    (connector, secret): (Connector, Option<&str>),
) -> Result<String, Failure> {
    let known = secrets(connector);
    let Some(name) = secret.or(known.first().copied()).filter(|name| known.contains(name)) else {
        let advice = match known {
            [] => format!("a connection to {} has no secret", connector.word()),
            known => format!("a connection to {} has the secrets {}", connector.word(), known.join(", ")),
        };
        return Err(Failure::Usage(advice));
    };
    let mut text = String::new();
    std::io::stdin().take(65_536).read_to_string(&mut text).map_err(|error| {
        Failure::Named(format!("cannot read the {name} from stdin: {error}; give it as text"))
    })?;
    let text = text.trim();
    if text.is_empty() {
        return Err(Failure::Named(format!("there is no {name} on stdin; pipe it into this command")));
    }
    let vaults = open.clerk.vaults();
    let mut vault = DeskVault::new(&vaults.open, &vaults.key, &connection.tenant, &connection.id);
    vault.put(&[(name, Some(text))])?;
    Ok(format!("connection {}: {name} is kept, sealed\n", connection.id))
}
