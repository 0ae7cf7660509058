//! Making a thing once: make it, look what came of it, make it again.

use std::future::Future;
use std::time::Duration;

use crate::clock::Clock;
use crate::deploy::call::{Class, Effect};
use crate::deploy::pace::jittered;
use crate::deploy::time::Timestamp;

/// A call that makes something is tried this often in all; what is throttled is not counted.
pub(super) const ATTEMPTS: u32 = 5;

/// Before it is tried again; twice as long each time. Long enough for what an unanswered call has made to
/// be seen.
const PAUSE: Duration = Duration::from_secs(2);

/// The longest: of registrations, ECS takes one each second from a whole account.
const LONGEST_PAUSE: Duration = Duration::from_secs(15);

/// How long to go on, and by which clock.
#[derive(Clone, Copy)]
pub(super) struct Patience<'a> {
    pub(super) clock: &'a dyn Clock,
    /// What is not possible now is tried again until then.
    pub(super) until: Timestamp,
    /// The job, so that no two keep step.
    pub(super) job: &'a str,
}

/// How an attempt to make something came out, where it was not made.
pub(super) enum Attempt<T, R> {
    /// It is made.
    Made(T),
    /// It was not made, for certain, because AWS has not the time for it.
    NotNow(R),
    /// It was not made, for certain, because AWS has no room for it at the moment.
    NoRoom(R),
    /// It was not made, for certain, and never will be.
    Never(R),
    /// It may have been made.
    Unknown(R),
}

impl<T, R> Attempt<T, R> {
    /// The attempt of a call that failed, whose class says what it has made.
    pub(super) fn failed(class: Class, reason: R) -> Self {
        match class.effect() {
            Effect::NotNow => Self::NotNow(reason),
            Effect::Never => Self::Never(reason),
            Effect::Unknown => Self::Unknown(reason),
        }
    }
}

/// What a look after an attempt has shown.
pub(super) enum Looked<T, R> {
    /// It is made.
    Made(T),
    /// It is not made: the next attempt may be.
    NotMade,
    /// It must not be made any more, and why, if not for the last attempt's reason alone.
    Stop(Option<R>),
}

/// Why a thing was not made.
pub(super) struct NotMade<R> {
    /// Of the last attempt.
    pub(super) reason: R,
    /// Why the look after it forbids another.
    pub(super) forbidden: Option<R>,
    /// It may have been made all the same, by whichever attempt.
    pub(super) is_unknown: bool,
}

/// When to look before the next attempt.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Look {
    /// After an attempt that may have made it.
    IfUnknown,
    /// After each attempt: others may have decided meanwhile.
    Always,
}

/// Makes a thing once, in [`ATTEMPTS`] attempts at most; those that are throttled are not counted and go on as
/// long as `patience` lasts.
///
/// # Replay
/// An attempt whose outcome is unknown is looked for before the next. What calls this looks before the first
/// attempt, too.
///
/// # Errors
/// [`NotMade`].
pub(super) async fn make<T, R, M, L>(
    patience: Patience<'_>,
    when: Look,
    attempt: impl Fn() -> M,
    look: impl Fn() -> L,
) -> Result<T, NotMade<R>>
where
    M: Future<Output = Attempt<T, R>>,
    L: Future<Output = Looked<T, R>>,
{
    let mut pause = PAUSE;
    // An earlier attempt may have made it, whatever becomes of the later ones.
    let mut is_unknown = false;
    let mut number = 0;
    let mut counted = 0;
    loop {
        number += 1;
        let next = jittered(pause, patience.job, number);
        let has_time = patience.clock.now() + next <= patience.until;
        let (reason, is_worth_another) = match attempt().await {
            Attempt::Made(made) => return Ok(made),
            Attempt::NotNow(reason) => (reason, has_time),
            Attempt::NoRoom(reason) => {
                counted += 1;
                (reason, counted < ATTEMPTS)
            }
            Attempt::Never(reason) => (reason, false),
            Attempt::Unknown(reason) => {
                is_unknown = true;
                counted += 1;
                (reason, counted < ATTEMPTS)
            }
        };
        if !is_worth_another {
            return Err(NotMade {
                reason,
                forbidden: None,
                is_unknown,
            });
        }
        patience.clock.sleep(next).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
        if !is_unknown && when == Look::IfUnknown {
            continue;
        }
        match look().await {
            Looked::Made(made) => return Ok(made),
            Looked::NotMade => {}
            Looked::Stop(forbidden) => {
                return Err(NotMade {
                    reason,
                    forbidden,
                    is_unknown,
                });
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::{Cell, RefCell};
    use std::future::ready;

    use super::*;
    use crate::clock::Sleep;
    use crate::deploy::time::Timestamp;

    /// A clock on which waiting takes no time and is counted.
    #[derive(Default)]
    struct Counted(std::sync::Mutex<Duration>);

    impl Clock for Counted {
        fn now(&self) -> Timestamp {
            Timestamp::from_secs(0) + *self.0.lock().unwrap()
        }

        fn sleep(&self, duration: Duration) -> Sleep<'_> {
            *self.0.lock().unwrap() += duration;
            Box::pin(ready(()))
        }
    }

    type Made = Result<&'static str, (&'static str, bool)>;

    /// Makes a thing whose attempts and looks come out like this; with it how many of each there were,
    /// and how long was waited.
    async fn run_until(
        until: i64,
        when: Look,
        attempts: Vec<Attempt<&'static str, &'static str>>,
        looks: Vec<Looked<&'static str, &'static str>>,
    ) -> (Made, u32, u32, Duration) {
        let clock = Counted::default();
        let (attempts, looks) = (RefCell::new(attempts), RefCell::new(looks));
        let (made, looked) = (Cell::new(0), Cell::new(0));
        let patience = Patience {
            clock: &clock,
            until: Timestamp::from_secs(until),
            job: "job",
        };
        let result = make(
            patience,
            when,
            || {
                made.set(made.get() + 1);
                ready(attempts.borrow_mut().remove(0))
            },
            || {
                looked.set(looked.get() + 1);
                ready(looks.borrow_mut().remove(0))
            },
        )
        .await;
        let result = result.map_err(|error| {
            let reason = error.forbidden.unwrap_or(error.reason);
            (reason, error.is_unknown)
        });
        let waited = *clock.0.lock().unwrap();
        (result, made.get(), looked.get(), waited)
    }

    async fn run(
        when: Look,
        attempts: Vec<Attempt<&'static str, &'static str>>,
        looks: Vec<Looked<&'static str, &'static str>>,
    ) -> (Made, u32, u32, Duration) {
        run_until(600, when, attempts, looks).await
    }

    fn is_about(waited: Duration, pause: Duration) -> bool {
        waited <= pause && waited > pause * 3 / 4
    }

    #[tokio::test]
    async fn what_may_have_been_made_is_looked_for_before_it_is_made_again() {
        let attempts = vec![Attempt::Unknown("lost")];
        let found = run(Look::IfUnknown, attempts, vec![Looked::Made("a")]).await;
        assert_eq!((found.0, found.1, found.2), (Ok("a"), 1, 1));
        assert!(is_about(found.3, PAUSE));
        let attempts = vec![Attempt::Unknown("lost"), Attempt::Made("b")];
        let again = run(Look::IfUnknown, attempts, vec![Looked::NotMade]).await;
        assert_eq!((again.0, again.1, again.2), (Ok("b"), 2, 1));
    }

    #[tokio::test]
    async fn once_it_may_have_been_made_a_later_refusal_does_not_make_that_certain() {
        let attempts = vec![Attempt::Unknown("lost"), Attempt::Never("refused")];
        let (made, ..) = run(Look::IfUnknown, attempts, vec![Looked::NotMade]).await;
        assert_eq!(made, Err(("refused", true)));
        let attempts = vec![Attempt::NotNow("throttled"), Attempt::Never("refused")];
        let (made, _, looks, _) = run(Look::IfUnknown, attempts, vec![]).await;
        assert_eq!((made, looks), (Err(("refused", false)), 0));
    }

    #[tokio::test]
    async fn what_there_is_no_room_for_is_tried_five_times_with_growing_pauses() {
        let attempts = (0..ATTEMPTS).map(|_| Attempt::NoRoom("full")).collect();
        let (made, attempts, looks, waited) = run(Look::IfUnknown, attempts, vec![]).await;
        assert_eq!((made, attempts, looks), (Err(("full", false)), ATTEMPTS, 0));
        assert!(
            is_about(waited, PAUSE + PAUSE * 2 + PAUSE * 4 + LONGEST_PAUSE),
            "{waited:?}"
        );
    }

    #[tokio::test]
    async fn what_is_throttled_is_tried_as_long_as_there_is_time_and_what_may_have_been_made_is_not()
     {
        let throttled = |number: u32| -> Vec<Attempt<&'static str, &'static str>> {
            let mut attempts: Vec<_> = (0..number).map(|_| Attempt::NotNow("rate")).collect();
            attempts.push(Attempt::Made("a"));
            attempts
        };
        let (made, attempts, ..) = run_until(300, Look::IfUnknown, throttled(15), vec![]).await;
        assert_eq!((made, attempts), (Ok("a"), 16));
        let lost = (0..ATTEMPTS).map(|_| Attempt::Unknown("lost")).collect();
        let looks = (1..ATTEMPTS).map(|_| Looked::NotMade).collect();
        let (made, attempts, ..) = run_until(300, Look::IfUnknown, lost, looks).await;
        assert_eq!((made, attempts), (Err(("lost", true)), ATTEMPTS));
    }

    #[tokio::test]
    async fn a_look_can_forbid_the_next_attempt() {
        for (other, reason) in [(Some("unseen"), "unseen"), (None, "throttled")] {
            let attempts = vec![Attempt::NotNow("throttled")];
            let (made, attempts, ..) = run(Look::Always, attempts, vec![Looked::Stop(other)]).await;
            assert_eq!((made, attempts), (Err((reason, false)), 1));
        }
    }
}
