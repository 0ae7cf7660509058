//! What a container's exit code means, where it means the same in every image.
//!
//! 126 and 127 are the shell's and the container runtime's
//! (<https://pubs.opengroup.org/onlinepubs/9799919799/utilities/V3_chap02.html#tag_19_08_02>,
//! <https://docs.docker.com/engine/containers/run/#exit-status>); above 128 stands a signal's number plus 128
//! (<https://man7.org/linux/man-pages/man7/signal.7.html>). All else is the program's own.

/// What a container that does not catch SIGTERM ends with: 128 + 15.
pub const SIGTERM: i32 = 143;

/// What a killed container ends with: 128 + 9.
pub const SIGKILL: i32 = 137;

/// The command was found and could not be run.
pub const NOT_RUNNABLE: i32 = 126;

/// The command was not found.
pub const NOT_FOUND: i32 = 127;

/// What a container runtime ends with that could not run the program at all, and many programs, too.
pub const UNUSUAL: i32 = 255;

/// What `code` means, as half a sentence that says what to look at.
pub fn meaning(code: i32) -> Option<&'static str> {
    Some(match code {
        0 => "it ended by itself, without an error: a container of a service has to keep running",
        NOT_RUNNABLE => {
            "its command was found and cannot be run: is the file executable, and its interpreter (the line with #!) in the image?"
        }
        NOT_FOUND => "its command was not found in the image",
        132 => {
            "an illegal instruction (SIGILL): most often the image, or a library in it, is for another CPU"
        }
        134 => "it aborted itself (SIGABRT): an assertion, or memory that could not be had",
        SIGKILL => {
            "it was killed (SIGKILL): it used more memory than its own limit, or did not stop in time when it was asked to"
        }
        139 => {
            "a segmentation fault (SIGSEGV): a defect of the program, or an image for another CPU"
        }
        SIGTERM => "it was asked to stop (SIGTERM) and did",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_that_mean_the_same_in_every_image_are_explained_and_a_programs_own_are_not() {
        for (code, says) in [
            (0, "keep running"),
            (126, "cannot be run"),
            (127, "not found"),
            (132, "another CPU"),
            (134, "SIGABRT"),
            (137, "memory"),
            (139, "segmentation fault"),
            (143, "SIGTERM"),
        ] {
            assert!(meaning(code).unwrap().contains(says), "{code}");
        }
        for own in [1, 2, 3, 125, 128, UNUSUAL] {
            assert_eq!(meaning(own), None, "{own}");
        }
    }
}
