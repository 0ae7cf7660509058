//! The function dies in the middle of an action, after each of its calls in turn, and what is delivered then.

use std::time::Duration;

use serde_json::Value;

use crate::support::{World, deliver, finish, id_of};

/// Lambda tries a failed invocation again after a minute.
const RETRY_AFTER: Duration = Duration::from_mins(1);

/// How far reads lag behind.
const LAG: Duration = Duration::from_secs(20);

/// More reads than any of the stories makes.
pub(crate) const ALL_READS: usize = 100_000;

/// More invocations than any of the stories takes.
const INVOCATIONS: usize = 60;

/// What is delivered after a death.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Delivery {
    /// The same event.
    Same,
    /// The same event, and reads lag behind.
    SameWithLag,
    /// The one that follows.
    Next,
    /// Both at once.
    Both,
    /// The same event, after others have registered revisions of the families.
    AfterOthers,
}

impl Delivery {
    /// Another event comes only if the job was answered before the death.
    fn needs_an_answer(self) -> bool {
        matches!(self, Self::Next | Self::Both)
    }
}

/// How it died.
pub(crate) struct Death {
    /// The event that it was handling.
    pub(crate) event: Value,
    /// What follows on that, if the job was answered.
    next: Option<Value>,
}

impl Death {
    pub(crate) fn was_answered(&self) -> bool {
        self.next.is_some()
    }

    /// A minute later something is delivered, and then all that follows.
    pub(crate) async fn then(&self, world: &World, delivery: Delivery) {
        world.simulator.clock().advance(RETRY_AFTER);
        if delivery == Delivery::SameWithLag {
            world.simulator.faults().stale("*", LAG, ALL_READS);
        }
        let last = match (delivery, &self.next) {
            (Delivery::Next, Some(next)) => {
                deliver(world, next).await;
                next
            }
            (Delivery::Both, Some(next)) => {
                tokio::join!(deliver(world, &self.event), deliver(world, next));
                next
            }
            _ => {
                deliver(world, &self.event).await;
                &self.event
            }
        };
        finish(world, last.clone()).await;
    }
}

/// Plays CodePipeline from `start` on until the function dies after its `calls`-th call from now. Nothing if it came to
/// its end before.
pub(crate) async fn until_death(world: &World, start: &Value, calls: usize) -> Option<Death> {
    world.simulator.faults().stop_after(calls);
    let mut event = start.clone();
    for _ in 0..INVOCATIONS {
        deliver(world, &event).await;
        let next = world.simulator.codepipeline().next_event(&id_of(&event));
        if world.simulator.faults().is_stopped() {
            world.simulator.faults().resume();
            return Some(Death { event, next });
        }
        event = next?;
        world.simulator.clock().advance(Duration::from_secs(30));
    }
    unreachable!("it never ended")
}

/// Lets `dies` play every death with every delivery that makes a difference, until the story came to its end: it is
/// called with the number of calls that are made, and says whether the job was answered before that death, or nothing
/// if there was none.
pub(crate) async fn each_death(
    deliveries: &[Delivery],
    least_calls: usize,
    mut dies: impl AsyncFnMut(usize, Delivery) -> Option<bool>,
) {
    for calls in 1.. {
        // The first delivery tells.
        let mut was_answered = None;
        for &delivery in deliveries {
            if was_answered == Some(false) && delivery.needs_an_answer() {
                continue;
            }
            was_answered = dies(calls, delivery).await;
            if was_answered.is_none() {
                assert!(
                    calls > least_calls,
                    "{calls} calls are too few to be a story"
                );
                return;
            }
        }
    }
}
