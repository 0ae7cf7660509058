//! The local runner with `--aws`: what it shows, asks, and does not do. The account is the simulator's.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use crate::local::{
    Terminal, assert_documented, interrupted_at_its_status, local, on_a_terminal, steps, too_long,
};
use crate::support::World;

/// A folder with an artifact in it, that is gone in the end.
struct Folder(PathBuf);

impl Folder {
    /// `name` keeps the folders of the tests apart.
    fn new(name: &str) -> Self {
        let own = format!("real-account-{name}-{}", std::process::id());
        let folder = std::env::temp_dir().join(own);
        std::fs::create_dir_all(folder.join("artifact")).unwrap();
        let folder = Self(folder);
        folder.write(
            "artifact/imagedefinitions.json",
            r#"[{"name": "app", "imageUri": "repo/app:v2"}]"#,
        );
        folder
    }

    fn write(&self, name: &str, content: &str) -> PathBuf {
        let path = self.0.join(name);
        std::fs::write(&path, content).unwrap();
        path
    }

    /// A program that prints this and ends so.
    fn program(&self, name: &str, prints: &str, status: i32) -> PathBuf {
        let script = format!("#!/bin/sh\ncat <<'END'\n{prints}\nEND\nexit {status}\n");
        let path = self.write(name, &script);
        let runs = std::fs::Permissions::from_mode(0o755);
        std::fs::set_permissions(&path, runs).unwrap();
        path
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// What it asks AWS before it knows the account.
#[path = "../../examples/local/account.rs"]
#[allow(dead_code, reason = "the runner uses what the tests do not")]
mod account;

/// Said before anything is asked.
const ASKING: &str = "Asking AWS whose credentials these are.\n";

/// The runner for the service `web`, with nothing in its environment but where the account is.
fn bare(world: &World, folder: &Folder, more: &[&str]) -> Command {
    of_service("web", world, folder, more)
}

fn of_service(service: &str, world: &World, folder: &Folder, more: &[&str]) -> Command {
    let artifact = folder.0.join("artifact");
    let mut command = local(&["--aws", "--cluster", "prod", "--service", service]);
    command
        .args(["--artifact", artifact.to_str().unwrap()])
        .args(more)
        .stdin(Stdio::null())
        .env_clear()
        .env("PATH", "/usr/bin:/bin")
        .env("HOME", &folder.0)
        .env("AWS_EC2_METADATA_DISABLED", "true")
        .env("AWS_ENDPOINT_URL", world.simulator.endpoint());
    command
}

/// The same with Region and credentials.
fn signed_in(world: &World, folder: &Folder, more: &[&str]) -> Command {
    let mut command = bare(world, folder, more);
    sign_in(&mut command);
    command
}

fn sign_in(command: &mut Command) {
    command
        .env("AWS_REGION", simulator::REGION)
        .env("AWS_ACCESS_KEY_ID", simulator::FUNCTION_ACCESS_KEY_ID)
        .env(
            "AWS_SECRET_ACCESS_KEY",
            simulator::FUNCTION_SECRET_ACCESS_KEY,
        );
}

/// Exit status, standard output, and standard error without what is said in any case.
fn parts_of(output: &Output) -> (Option<i32>, String, String) {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    let stderr = text(&output.stderr);
    (
        output.status.code(),
        text(&output.stdout),
        stderr.strip_prefix(ASKING).unwrap_or(&stderr).to_owned(),
    )
}

#[track_caller]
fn assert_nothing_was_changed(world: &World) {
    for call in world.simulator.calls() {
        let reads = ["Describe", "List", "Get"];
        assert!(
            reads.iter().any(|verb| call.operation.starts_with(verb)),
            "{}",
            call.operation
        );
    }
}

#[test]
fn what_would_be_changed_is_shown_and_without_a_terminal_or_a_yes_nothing_is() {
    let (world, folder) = (World::new(), Folder::new("asks"));
    let output = signed_in(&world, &folder, &[]).output().unwrap();
    let (code, stdout, stderr) = parts_of(&output);
    assert_eq!(code, Some(2), "{stdout}{stderr}");
    for shown in [
        "web on prod",
        "111122223333 (as arn:aws:sts::111122223333:assumed-role/ecs-deploy-action/deploy)",
        "eu-central-1",
        "runs app:1 with 2 tasks wanted",
        "app from repo/app:v1 to repo/app:v2",
    ] {
        assert!(stdout.contains(shown), "{shown}: {stdout}");
    }
    assert!(
        stderr.starts_with("Nothing was changed: ") && stderr.contains("--yes"),
        "{stderr}"
    );
    assert_nothing_was_changed(&world);
}

#[test]
fn a_dry_run_of_a_real_deployment_ends_with_what_it_shows() {
    let (world, folder) = (World::new(), Folder::new("dry"));
    for more in [&["--dry-run"][..], &["--dry-run", "--yes", "--json"]] {
        let output = signed_in(&world, &folder, more).output().unwrap();
        let (code, stdout, stderr) = parts_of(&output);
        assert_eq!(code, Some(0), "{stderr}");
        assert!(
            stdout.contains("app from repo/app:v1 to repo/app:v2"),
            "{stdout}"
        );
        assert_nothing_was_changed(&world);
        if more.contains(&"--json") {
            assert_documented(&steps(&stdout));
        }
    }
}

#[test]
fn a_yes_deploys_and_what_is_wrong_is_reported_before_it_is_needed() {
    let (world, folder) = (World::new(), Folder::new("yes"));
    world.simulator.faults().deny("UpdateService");
    let output = signed_in(&world, &folder, &["--yes", "--json"]).output();
    let (code, stdout, _) = parts_of(&output.unwrap());
    assert_eq!(code, Some(1), "{stdout}");
    assert_documented(&steps(&stdout));
    assert_eq!(world.done("RegisterTaskDefinition"), 1);
    assert_eq!(world.count("UpdateService"), 1);
    let world = World::new();
    let mut wrong = of_service("wbe", &world, &folder, &[]);
    sign_in(&mut wrong);
    let (code, stdout, _) = parts_of(&wrong.output().unwrap());
    assert_eq!(code, Some(1));
    assert!(
        stdout.contains("there is no service 'wbe' in the cluster 'prod'"),
        "{stdout}"
    );
    assert_nothing_was_changed(&world);
}

#[test]
fn an_artifact_without_images_is_reported_with_the_reason() {
    let (world, folder) = (World::new(), Folder::new("artifact"));
    for (content, expected) in [
        ("{}", "imagedefinitions.json in it holds an object"),
        ("", "imagedefinitions.json in it is empty"),
    ] {
        folder.write("artifact/imagedefinitions.json", content);
        let output = signed_in(&world, &folder, &["--yes"]).output().unwrap();
        let (code, _, stderr) = parts_of(&output);
        assert_eq!(code, Some(2));
        assert!(stderr.contains(expected), "{stderr}");
    }
    std::fs::remove_file(folder.0.join("artifact/imagedefinitions.json")).unwrap();
    let output = signed_in(&world, &folder, &["--yes"]).output().unwrap();
    let (_, _, stderr) = parts_of(&output);
    assert!(
        stderr.contains("has no imagedefinitions.json at its top"),
        "{stderr}"
    );
    assert_eq!(world.simulator.calls().len(), 0);
}

#[test]
fn without_region_or_credentials_one_sentence_says_what_to_set() {
    let (world, folder) = (World::new(), Folder::new("nothing"));
    let mut no_region = bare(&world, &folder, &["--yes"]);
    let mut no_credentials = bare(&world, &folder, &["--yes"]);
    no_credentials.env("AWS_REGION", "eu-central-1");
    let mut no_profile = bare(&world, &folder, &["--yes"]);
    no_profile
        .env("AWS_REGION", "eu-central-1")
        .env("AWS_PROFILE", "nope");
    // A machine in EC2 without a role answers so.
    let mut no_metadata = bare(&world, &folder, &["--yes"]);
    no_metadata
        .env("AWS_REGION", "eu-central-1")
        .env("AWS_PROFILE", "nope")
        .env_remove("AWS_EC2_METADATA_DISABLED")
        .env("AWS_EC2_METADATA_SERVICE_ENDPOINT", answering(""));
    let mut no_region_of_that_name = signed_in(&world, &folder, &["--yes"]);
    no_region_of_that_name.env("AWS_REGION", "not_a_region");
    for (command, expected) in [
        (&mut no_region, "No Region is set: set AWS_REGION"),
        (
            &mut no_credentials,
            "No credentials were found: set AWS_PROFILE",
        ),
        (
            &mut no_profile,
            "AWS_PROFILE is nope, and neither ~/.aws/config nor ~/.aws/credentials has",
        ),
        (&mut no_metadata, "AWS_PROFILE is nope, and neither"),
        (
            &mut no_region_of_that_name,
            "AWS_REGION is \"not_a_region\", which is no Region's name",
        ),
    ] {
        let (code, stdout, stderr) = parts_of(&command.output().unwrap());
        assert_eq!((code, stdout.as_str()), (Some(2), ""), "{stderr}");
        assert!(stderr.contains(expected), "{stderr}");
        assert_eq!(stderr.trim_end().lines().count(), 1, "{stderr}");
    }
    assert_eq!(world.simulator.calls().len(), 0);
}

/// A profile of these lines.
fn with_profile(world: &World, folder: &Folder, lines: &str) -> Command {
    let config = folder.write(
        "config",
        &format!("[profile shop]\nregion = eu-central-1\n{lines}\n"),
    );
    let mut command = bare(world, folder, &["--dry-run"]);
    command
        .env("AWS_CONFIG_FILE", config)
        .env("AWS_PROFILE", "shop");
    command
}

#[test]
fn a_profile_may_have_its_credentials_from_a_program() {
    let (world, folder) = (World::new(), Folder::new("program"));
    let credentials = format!(
        r#"{{"Version": 1, "AccessKeyId": "{}", "SecretAccessKey": "{}"}}"#,
        simulator::FUNCTION_ACCESS_KEY_ID,
        simulator::FUNCTION_SECRET_ACCESS_KEY
    );
    let program = folder.program("sign-in", &credentials, 0);
    let line = |program: &Path| format!("credential_process = {} --now", program.display());
    let mut command = with_profile(&world, &folder, &line(&program));
    let (code, stdout, stderr) = parts_of(&command.output().unwrap());
    assert_eq!(code, Some(0), "{stderr}");
    assert!(stdout.contains("runs app:1"), "{stdout}");
    let all = stdout + &stderr;
    assert!(
        !all.contains(simulator::FUNCTION_SECRET_ACCESS_KEY),
        "{all}"
    );
    let keys = world.simulator.calls();
    assert!(
        keys.iter()
            .all(|call| call.access_key_id.as_deref() == Some(simulator::FUNCTION_ACCESS_KEY_ID))
    );
    // One that fails ends it, and its text is shown.
    let program = folder.program("sign-in", "", 7);
    let mut command = with_profile(&world, &folder, &line(&program));
    let (code, _, stderr) = parts_of(&command.output().unwrap());
    assert_eq!(code, Some(2));
    assert!(
        stderr.starts_with("The credentials of the profile shop could not be loaded: ")
            && stderr.contains("status: 7")
            && !stderr.contains("sign in"),
        "{stderr}"
    );
    assert_eq!(stderr.trim_end().lines().count(), 1, "{stderr}");
}

/// A profile that has its credentials from IAM Identity Center.
const SSO: &str = "sso_session = work\nsso_account_id = 111122223333\nsso_role_name = deploy\n\n[sso-session work]\nsso_region = eu-central-1\nsso_start_url = https://work.example/start";

/// Where `aws sso login` leaves the token of the session `work`: the name's SHA-1.
const SSO_TOKEN: &str = ".aws/sso/cache/e274eeff768c6396088ec6eb091f4bf4d47ab1e0.json";

#[test]
fn a_profile_with_sso_that_is_not_signed_in_is_an_error_that_says_to_sign_in() {
    let (world, folder) = (World::new(), Folder::new("sso"));
    let mut command = with_profile(&world, &folder, SSO);
    let (code, _, stderr) = parts_of(&command.output().unwrap());
    assert_eq!(code, Some(2));
    assert!(
        stderr.contains("(aws sso login --profile shop)") && !stderr.contains("feature"),
        "{stderr}"
    );
    assert_eq!(world.simulator.calls().len(), 0);
}

#[test]
fn a_profile_with_sso_that_is_signed_in_is_used() {
    let (world, folder) = (World::new(), Folder::new("sso-in"));
    std::fs::create_dir_all(folder.0.join(".aws/sso/cache")).unwrap();
    folder.write(
        SSO_TOKEN,
        r#"{"accessToken": "from-the-login", "expiresAt": "2099-01-01T00:00:00Z"}"#,
    );
    // Gives the credentials to whoever asks with the token.
    let portal = serving(|head| {
        let is_known = head.contains("from-the-login")
            && head.contains("role_name=deploy&account_id=111122223333");
        if !is_known {
            return ("401 No", String::new());
        }
        let credentials = format!(
            r#"{{"roleCredentials": {{"accessKeyId": "{}", "secretAccessKey": "{}", "sessionToken": "", "expiration": 4102444800000}}}}"#,
            simulator::FUNCTION_ACCESS_KEY_ID,
            simulator::FUNCTION_SECRET_ACCESS_KEY
        );
        ("200 OK", credentials)
    });
    let mut command = with_profile(&world, &folder, SSO);
    command.env("AWS_ENDPOINT_URL_SSO", portal);
    let (code, stdout, stderr) = parts_of(&command.output().unwrap());
    assert_eq!(code, Some(0), "{stderr}");
    assert!(stdout.contains("runs app:1"), "{stdout}");
}

/// Where every request gets the status and the body that `answer` has for its head. The thread ends with the tests.
fn serving(answer: impl Fn(&str) -> (&'static str, String) + Send + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for asking in listener.incoming() {
            let mut asking = BufReader::new(asking.unwrap());
            let mut head = String::new();
            while !head.ends_with("\r\n\r\n") && asking.read_line(&mut head).unwrap() > 0 {}
            let (status, body) = answer(&head);
            let length = body.len();
            let answer = format!(
                "HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}"
            );
            // Whoever asks may be gone.
            let _ = asking.get_mut().write_all(answer.as_bytes());
        }
    });
    format!("http://{address}")
}

/// Where every request is refused with this body.
fn answering(body: &'static str) -> String {
    serving(move |_| ("403 No", body.to_owned()))
}

#[test]
fn only_credentials_that_have_expired_are_to_be_renewed_and_a_refusal_is_shown_as_it_is() {
    let (world, folder) = (World::new(), Folder::new("expired"));
    let of = |answer| {
        let mut command = signed_in(&world, &folder, &["--yes"]);
        command.env("AWS_ENDPOINT_URL", answering(answer));
        let (code, stdout, stderr) = parts_of(&command.output().unwrap());
        assert_eq!((code, stdout.as_str()), (Some(2), ""));
        stderr
    };
    let expired = of(
        "<ErrorResponse><Error><Type>Sender</Type><Code>ExpiredToken</Code><Message>The security token included in the request is expired</Message></Error></ErrorResponse>",
    );
    assert_eq!(
        expired,
        "Whose the credentials are could not be asked (sts:GetCallerIdentity): ExpiredToken: The security token included in the request is expired. They have expired: get new ones and try again.\n"
    );
    let unknown = of(
        "<ErrorResponse><Error><Type>Sender</Type><Code>InvalidClientTokenId</Code><Message>The security token included in the request is invalid.</Message></Error></ErrorResponse>",
    );
    assert_eq!(
        unknown,
        "Whose the credentials are could not be asked (sts:GetCallerIdentity): InvalidClientTokenId: The security token included in the request is invalid.\n"
    );
}

/// Takes every connection, and never answers on it.
fn silent() -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    (listener, address)
}

#[tokio::test]
async fn an_endpoint_that_never_answers_is_given_up_and_named() {
    let (_silent, address) = silent();
    let credentials = aws_credential_types::Credentials::for_tests();
    let config = aws_types::SdkConfig::builder()
        .behavior_version(aws_config::BehaviorVersion::latest())
        .region(aws_config::Region::new("eu-central-1"))
        .endpoint_url(&address)
        .http_client(aws_smithy_http_client::Builder::new().build_http())
        .credentials_provider(
            aws_credential_types::provider::SharedCredentialsProvider::new(credentials),
        )
        .build();
    let limits = account::Limits {
        connect: Duration::from_secs(1),
        attempt: Duration::from_secs(1),
        all: Duration::from_secs(1),
    };
    let wrong = account::identified(config, &limits).await.unwrap_err();
    let expected = format!(
        "Whose the credentials are could not be asked (sts:GetCallerIdentity): {address} did not answer within "
    );
    assert!(wrong.starts_with(&expected), "{wrong}");
}

#[test]
fn while_nothing_answers_the_screen_says_what_is_asked_and_ctrl_c_ends_it() {
    let (world, folder) = (World::new(), Folder::new("silent"));
    let (_silent, address) = silent();
    let page = folder.0.join("page.html");
    let report = ["--yes", "--json", "--report", page.to_str().unwrap()];
    let mut child = signed_in(&world, &folder, &report)
        .env("AWS_ENDPOINT_URL", &address)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stderr = BufReader::new(child.stderr.take().unwrap());
    let mut said = String::new();
    stderr.read_line(&mut said).unwrap();
    assert_eq!(said, ASKING);
    interrupt(&child);
    let mut said = String::new();
    stderr.read_to_string(&mut said).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130), "{said}");
    let expected = format!(
        "Interrupted. Nothing was changed. No report was written to {}.\n",
        page.display()
    );
    assert_eq!(said, expected);
    assert!(output.stdout.is_empty(), "no step");
}

/// Presses Ctrl-C.
fn interrupt(child: &Child) {
    let interrupt = format!("kill -INT {}", child.id());
    let sent = Command::new("sh")
        .args(["-c", &interrupt])
        .status()
        .unwrap();
    assert!(sent.success());
}

#[test]
fn a_report_that_cannot_be_written_ends_it_before_anything_is_asked() {
    let (world, folder) = (World::new(), Folder::new("report"));
    let nowhere = folder.0.join("no/such/folder.html");
    let more = ["--yes", "--report", nowhere.to_str().unwrap()];
    let output = signed_in(&world, &folder, &more).output().unwrap();
    let (code, _, stderr) = parts_of(&output);
    assert_eq!(code, Some(2));
    assert!(
        stderr.contains("no/such/folder.html") && stderr.contains("Nothing was done"),
        "{stderr}"
    );
    assert_eq!(world.simulator.calls().len(), 0);
}

#[test]
fn ctrl_c_during_a_rollout_says_that_it_goes_on_and_how_to_see_it() {
    let (world, folder) = (World::new(), Folder::new("interrupted"));
    let mut child = signed_in(&world, &folder, &["--yes", "--json"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // Until it has seen the rollout, which on the simulator's clock never ends.
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let has_looked = lines.any(|line| line.unwrap().contains(r#""step":"look""#));
    assert!(has_looked);
    interrupt(&child);
    let status = child.wait().unwrap();
    let mut stderr = String::new();
    child
        .stderr
        .take()
        .unwrap()
        .read_to_string(&mut stderr)
        .unwrap();
    assert_eq!(status.code(), Some(130), "{stderr}");
    for expected in [
        "Interrupted. The rollout of web on prod goes on in ECS",
        "aws ecs describe-services --region eu-central-1 --cluster prod --services web",
    ] {
        assert!(stderr.contains(expected), "{stderr}");
    }
    assert_eq!(world.done("UpdateService"), 1);
}

/// The same on a terminal of 80 columns.
fn on_80_columns(world: &World, folder: &Folder, more: &[&str]) -> Command {
    let signed_in = signed_in(world, folder, more);
    let arguments: Vec<&str> = signed_in
        .get_args()
        .map(|argument| argument.to_str().unwrap())
        .collect();
    let mut command = on_a_terminal(80, &[], &arguments);
    command.env_clear().env("TERM", "xterm");
    for (name, value) in signed_in.get_envs() {
        command.env(name, value.unwrap());
    }
    command
}

#[test]
#[cfg_attr(not(target_os = "linux"), ignore = "needs util-linux's script")]
fn on_a_terminal_of_80_columns_what_would_be_changed_fits_without_escape_codes_if_nobody_wants_them()
 {
    let (world, folder) = (World::new(), Folder::new("80-columns"));
    let mut command = on_80_columns(&world, &folder, &["--dry-run"]);
    let (code, written, _) = parts_of(&command.env("NO_COLOR", "1").output().unwrap());
    assert_eq!(code, Some(0), "{written}");
    assert!(!written.contains('\u{1b}'), "{written}");
    assert_eq!(too_long(80, &written), None, "{written}");
    assert!(written.contains("Would be called"), "{written}");
}

#[test]
#[cfg_attr(not(target_os = "linux"), ignore = "needs util-linux's script")]
fn on_a_terminal_ctrl_c_takes_the_status_away_and_leaves_the_command_in_one_piece() {
    let (world, folder) = (World::new(), Folder::new("ctrl-c"));
    let mut command = on_80_columns(&world, &folder, &["--yes"]);
    let (code, written) = interrupted_at_its_status(&mut command);
    assert_eq!(code, Some(130), "{written}");
    assert!(written.contains(" --output table\r\n"), "{written}");
    let lines = Terminal::showing(80, &written);
    assert!(lines.iter().all(|line| !line.contains('█')), "{lines:?}");
    let is_said = |line: &String| {
        line.starts_with("Interrupted. The rollout of web on prod goes on in ECS; nobody")
    };
    assert!(lines.iter().any(is_said), "{lines:?}");
}
