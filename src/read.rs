//! What an order asks for: its parameters, some of which may be in the artifact.

use crate::deploy::failure::{Failure, FailureKind};
use crate::deploy::outcome::{Details, Outcome, SUMMARY_LIMIT_BYTES};
use crate::deploy::rollback::ROLLBACK_ALLOWANCE;
use crate::deploy::spec::{ConfigFile, LONGEST_TIMEOUT};
use crate::deploy::text;
use crate::deploy::time::Timestamp;
use crate::deploy::token;
use crate::deploy::words;
use crate::engine::{Configuration, Engine, Work, bad_token};
use crate::event::Order;
use crate::guard::guarded;
use crate::limits::Limits;
use crate::parameters;

/// Reads what `order` asks for.
///
/// # Errors
/// The outcome to answer with, if the parameters cannot be read or are wrong.
pub(crate) async fn read(
    engine: &Engine,
    order: Order,
    limits: Limits,
    request: &str,
) -> Result<Work, Outcome> {
    let wrong = |about: &str, problems: &[parameters::Problem]| {
        Outcome::from(Failure::of_problems(
            FailureKind::Configuration,
            about,
            problems,
        ))
    };
    let mut written = order.parameters.clone();
    let mut where_written = "UserParameters".to_owned();
    let mut config_pin = None;
    if let Some(config) = parameters::config_file(&written) {
        let file = config.file.clone();
        let configuration = match configuration(engine, &order, config, limits, request).await {
            Ok(configuration) => configuration,
            Err(failure) => return Err(unread(&order, failure, engine.clock.now())),
        };
        written = parameters::merged(written, configuration.written, &file)
            .map_err(|problem| wrong("", &[problem]))?;
        where_written = format!("UserParameters and {file}");
        config_pin = configuration.pin;
    }
    let spec = parameters::parse(written)
        .map_err(|problems| wrong(&format!("{where_written}: "), &problems))?;
    Ok(Work {
        order,
        spec,
        config_pin,
    })
}

async fn configuration(
    engine: &Engine,
    order: &Order,
    config: ConfigFile,
    limits: Limits,
    request: &str,
) -> Result<Configuration, Failure> {
    let token = order.continuation_token.as_deref();
    let pin = match token.map(token::config_pin) {
        None => None,
        Some(Ok(pin)) => pin,
        Some(Err(bad)) => return Err(bad_token("The deployment", &bad.to_string())),
    };
    let file = config.file.clone();
    let work = {
        let (engine, order) = (engine.clone(), order.clone());
        async move { engine.configuration(&order, &config, pin.as_deref()).await }
    };
    guarded(work, limits.cut_after).await.unwrap_or_else(|cut| {
        Err(Failure::new(
            FailureKind::SystemUnavailable,
            format!(
                "{file}: {}. Nothing was changed by this invocation. The log of request {request} says more.",
                words::cut(cut),
            ),
        ))
    })
}

/// The parameters could not be read from the artifact. A deployment that is under way is
/// handed back as it came while that may pass: not being able to look decides nothing.
fn unread(order: &Order, failure: Failure, now: Timestamp) -> Outcome {
    let Some(token) = &order.continuation_token else {
        return failure.into();
    };
    let Ok(started) = token::started(token) else {
        return failure.into();
    };
    let is_in_time = now < started + LONGEST_TIMEOUT + ROLLBACK_ALLOWANCE;
    if failure.kind == FailureKind::SystemUnavailable && is_in_time {
        let summary = format!("no news: {}", failure.message);
        return Outcome::InProgress {
            token: token.clone(),
            details: Details {
                summary: text::cut_bytes(&summary, SUMMARY_LIMIT_BYTES),
                ..Details::default()
            },
        };
    }
    let why = failure.message.one_line();
    let why = why.trim_end_matches('.');
    let message = bad_token("The deployment cannot be followed any longer", why).message;
    Failure::new(failure.kind, message).into()
}
