//! Any text from outside: what is shown of it is one line that steers nothing and has no login of a
//! URL in it.
#![no_main]

use deploy::outside::shown;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let once = shown(text);
    assert!(!once.contains(|c: char| c.is_control() || ('\u{202a}'..='\u{202e}').contains(&c)));
    assert_eq!(shown(&once), once);
    let name: String = text.chars().filter(char::is_ascii_alphanumeric).take(20).collect();
    let login = shown(&format!("{text} db://{name}:x{name}MARK@host/"));
    assert!(text.contains("MARK") || text.len() > 8000 || !login.contains("MARK"));
});
