//! What a configuration means for what operators ask over HTTP.

use crate::admission::token::{FEWEST, Token};
use crate::config::{Config, Environment, Problems};

/// The token that callers have to show; none: the configuration names none.
///
/// # Errors
/// When it can't be read, or can be guessed: what to do.
pub fn token(config: &Config, environment: Environment<'_>) -> Result<Option<Token>, String> {
    let Some(place) = &config.admin_api.token else { return Ok(None) };
    let text = place.read(environment)?;
    if text.len() < FEWEST {
        return Err(format!(
            "has fewer than {FEWEST} characters, so it can be guessed; `weir secret` makes a better one"
        ));
    }
    Ok(Some(Token::new(&text)))
}

/// Adds what is wrong with the token.
pub fn check(config: &Config, environment: Environment<'_>, problems: &mut Problems) {
    if let Err(advice) = token(config, environment) {
        problems.add("admin_api.token", advice);
    }
}
