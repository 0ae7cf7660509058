//! The function as it is installed: `FUNCTION_ZIP` names what `cargo lambda build --release
//! --output-format zip` has made. Built with the feature `release`.

use std::fs;

use ecs_deploy_action::settings::environment;

/// The zip's length in bytes when it was last measured, on `x86_64`, and how much more is let pass.
const MEASURED_BYTES: u64 = 4_365_304;
const ROOM_PERCENT: u64 = 10;

/// What it may never exceed.
const LIMIT_BYTES: u64 = 5_000_000;

#[test]
fn the_zip_is_about_as_small_as_it_was_and_under_five_megabytes() {
    let file = environment("FUNCTION_ZIP").expect("FUNCTION_ZIP, the zip that Lambda gets");
    let length = fs::metadata(&file).expect("the zip").len();
    let most = MEASURED_BYTES + MEASURED_BYTES * ROOM_PERCENT / 100;
    assert!(
        length <= most,
        "{length} bytes, {MEASURED_BYTES} when last measured"
    );
    assert!(length < LIMIT_BYTES, "{length} bytes");
}
