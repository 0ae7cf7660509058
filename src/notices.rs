//! Tells an `EventBridge` bus of a deployment. Nothing waits for it: an event is sent while other things are done, or
//! after the job was answered.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::task::JoinHandle;

use crate::aws::Aws;
use crate::deploy::notice::Notice;
use crate::deploy::spec::EventBus;
use crate::deploy::time::human;
use crate::deploy::words::{self, Caller};

/// Sending an event takes no longer.
const LONGEST: Duration = Duration::from_secs(5);

/// The events of one invocation.
#[derive(Clone, Default)]
pub struct Notices(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    sending: Vec<JoinHandle<Option<String>>>,
    held: Vec<Event>,
}

struct Event {
    /// The function's own credentials.
    own: Aws,
    /// The account that is deployed to, where images are looked up.
    account: Aws,
    bus: EventBus,
    notice: Notice,
}

impl Notices {
    /// Begins to send `notice` to `bus`, with the function's `own` credentials; one that is not `new` waits for
    /// [`Notices::accepted`].
    ///
    /// # Replay
    /// An event that is sent twice comes twice: who gets it tells by its job and its type.
    ///
    /// # Panics
    /// Outside a runtime.
    pub(crate) fn send(
        &self,
        own: &Aws,
        account: &Aws,
        bus: &EventBus,
        notice: Notice,
        is_new: bool,
    ) {
        let event = Event {
            own: own.clone(),
            account: account.clone(),
            bus: bus.clone(),
            notice,
        };
        let mut state = self.state();
        if is_new {
            state.sending.push(tokio::spawn(warn(event)));
        } else {
            state.held.push(event);
        }
    }

    /// The answer was accepted: no other delivery has told, or it tells the same.
    pub(crate) fn accepted(&self) {
        let mut state = self.state();
        let held = std::mem::take(&mut state.held);
        let sending = held.into_iter().map(|event| tokio::spawn(warn(event)));
        state.sending.extend(sending);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until all are sent, each for [`LONGEST`] at most, and no longer than `most` in all; what was not sent, as
    /// warnings.
    pub(crate) async fn sent(&self, most: Option<Duration>) -> Vec<String> {
        let all = std::mem::take(&mut self.state().sending);
        let most = most.unwrap_or(LONGEST).min(LONGEST);
        let late = || Some("an event was not sent: the function's time was up".to_owned());
        let until = tokio::time::Instant::now() + most;
        let mut warnings = Vec::new();
        for one in all {
            let sent = tokio::time::timeout_at(until, one).await;
            warnings.extend(match sent {
                Ok(Ok(warning)) => warning,
                // A panic in there costs its event.
                Ok(Err(_)) => {
                    Some("an event was not sent, by a defect of this function".to_owned())
                }
                Err(_) => late(),
            });
        }
        warnings
    }
}

/// Sends it; a warning if it could not be sent.
async fn warn(event: Event) -> Option<String> {
    let name = event.bus.name.clone();
    let why = match tokio::time::timeout(LONGEST, send(event)).await {
        Ok(Ok(())) => return None,
        Ok(Err(why)) => format!("to {name}: {why}"),
        Err(_) => format!("to {name} within {}", human(LONGEST)),
    };
    Some(format!("an event was not sent {why}"))
}

async fn send(event: Event) -> Result<(), String> {
    let Event {
        own,
        account,
        bus,
        mut notice,
    } = event;
    let ecs = account.ecs(None);
    for service in &mut notice.services {
        if let Some(revision) = &service.task_definition
            && let Ok(described) = ecs.describe_task_definition(revision).await
        {
            service.images = described.images();
        }
    }
    let events = own.events_in(bus.region.as_ref());
    let sent = events
        .put(&bus.name, notice.detail_type(), &notice.detail())
        .await;
    sent.map_err(|error| words::call(&error, Caller::Function))
}
