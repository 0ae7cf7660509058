//! The simulator over the wire, as a client meets it.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use s3s::crypto::{Checksum, Sha256};
use serde_json::{Value, json};

use crate::{Call, Clock, FUNCTION_ACCESS_KEY_ID, FUNCTION_SECRET_ACCESS_KEY, REGION, Simulator};

const ROLE: &str = "arn:aws:iam::111122223333:role/scheduled";

struct Answer {
    status: u16,
    head: String,
    body: String,
}

impl Answer {
    fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }
}

/// Sends a request and waits for its answer.
fn ask(
    simulator: &Simulator,
    method: &str,
    path: &str,
    headers: &[(String, String)],
    body: &[u8],
) -> Answer {
    let host = simulator.endpoint().replace("http://", "");
    let mut stream = TcpStream::connect(&host).unwrap();
    let mut head = format!("{method} {path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n");
    for (name, value) in headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    head.push_str(&format!("content-length: {}\r\n\r\n", body.len()));
    stream.write_all(&[head.as_bytes(), body].concat()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    Answer {
        status: head.split(' ').nth(1).unwrap().parse().unwrap(),
        head: head.to_owned(),
        body: body.to_owned(),
    }
}

/// Who says so is believed, but by S3.
fn authorization(service: &str) -> (String, String) {
    let scope = format!("20260921/{REGION}/{service}/aws4_request");
    let value = format!(
        "AWS4-HMAC-SHA256 Credential={FUNCTION_ACCESS_KEY_ID}/{scope}, SignedHeaders=host, Signature=0"
    );
    ("authorization".to_owned(), value)
}

fn events(simulator: &Simulator, operation: &str, request: &Value) -> Answer {
    let target = ("x-amz-target".to_owned(), format!("AWSEvents.{operation}"));
    let headers = [target, authorization("events")];
    ask(
        simulator,
        "POST",
        "/",
        &headers,
        request.to_string().as_bytes(),
    )
}

fn schedules(simulator: &Simulator, method: &str, path: &str, body: &Value) -> Answer {
    let body = if body.is_null() {
        String::new()
    } else {
        body.to_string()
    };
    ask(
        simulator,
        method,
        path,
        &[authorization("scheduler")],
        body.as_bytes(),
    )
}

fn target(revision: &str) -> Value {
    json!({"Id": "a", "Arn": "arn:aws:ecs:eu-central-1:111122223333:cluster/prod",
        "RoleArn": ROLE, "EcsParameters": {"TaskDefinitionArn": revision}})
}

fn schedule(revision: &str) -> Value {
    let mut target = target(revision);
    target.as_object_mut().unwrap().remove("Id");
    json!({"ScheduleExpression": "rate(1 day)", "FlexibleTimeWindow": {"Mode": "OFF"},
        "Target": target})
}

#[test]
fn eventbridge_is_asked_by_target_and_checked_against_its_model() {
    let simulator = Simulator::start();
    simulator
        .events()
        .put_target("default", "nightly", target("app:1"));
    let put = |target: Value| {
        events(
            &simulator,
            "PutTargets",
            &json!({"Rule": "nightly", "Targets": [target]}),
        )
    };
    let answer = put(target("app:2"));
    assert_eq!(answer.status, 200, "{}", answer.body);
    assert_eq!(answer.json()["FailedEntryCount"], 0);
    assert_eq!(
        simulator.events().targets("default", "nightly"),
        [target("app:2")]
    );
    let mut unknown = target("app:3");
    unknown["Invented"] = json!(1);
    let answer = put(unknown.clone());
    assert_eq!(
        (answer.status, &answer.json()["__type"]),
        (400, &json!("SerializationException"))
    );
    simulator.allow_unknown("Invented");
    assert_eq!(put(unknown).status, 200);
    assert_eq!(
        simulator.events().targets("default", "nightly")[0]["Invented"],
        1
    );
    let calls = simulator.calls_of("PutTargets");
    assert_eq!(calls.len(), 3);
    assert_eq!((calls[0].service, calls[0].status), ("events", 200));
    assert_eq!(calls[0].request["Rule"], "nightly");
}

#[test]
fn the_signature_distinguishes_the_scheduler_from_s3() {
    let simulator = Simulator::start();
    simulator
        .scheduler()
        .put("jobs", "nightly", schedule("app:1"));
    let listed = schedules(
        &simulator,
        "GET",
        "/schedules?ScheduleGroup=jobs&MaxResults=1",
        &Value::Null,
    );
    assert_eq!(listed.json()["Schedules"][0]["Name"], "nightly");
    let got = schedules(
        &simulator,
        "GET",
        "/schedules/nightly?groupName=jobs",
        &Value::Null,
    );
    assert_eq!(got.json()["ScheduleExpression"], "rate(1 day)");
    let mut update = schedule("app:2");
    update["GroupName"] = json!("jobs");
    let updated = schedules(&simulator, "PUT", "/schedules/nightly", &update);
    assert_eq!(updated.status, 200, "{}", updated.body);
    let stored = simulator.scheduler().schedule("jobs", "nightly");
    assert_eq!(stored, Some(schedule("app:2")));
    let requests: Vec<Value> = simulator
        .calls()
        .into_iter()
        .map(|call| call.request)
        .collect();
    assert_eq!(requests[0], json!({"GroupName": "jobs", "MaxResults": 1}));
    assert_eq!(requests[1], json!({"Name": "nightly", "GroupName": "jobs"}));
    assert_eq!(requests[2]["Name"], "nightly");
    assert_eq!(requests[2]["GroupName"], "jobs");
    let missing = schedules(&simulator, "GET", "/schedules/nightly", &Value::Null);
    assert_eq!(missing.status, 404);
    assert!(
        missing
            .head
            .contains("x-amzn-errortype: ResourceNotFoundException")
    );
    assert_eq!(
        missing.json(),
        json!({"Message": "Schedule nightly does not exist."})
    );
    update.as_object_mut().unwrap().remove("Target");
    let invalid = schedules(&simulator, "PUT", "/schedules/nightly", &update);
    assert_eq!(invalid.status, 400);
    assert!(
        invalid
            .head
            .contains("x-amzn-errortype: ValidationException")
    );
    let deleted = schedules(&simulator, "DELETE", "/schedules/nightly", &Value::Null);
    assert!(
        deleted
            .head
            .contains("x-amzn-errortype: UnknownOperationException")
    );
}

#[test]
fn a_request_signed_for_another_service_is_refused() {
    let simulator = Simulator::start();
    let target = (
        "x-amz-target".to_owned(),
        "AWSEvents.ListEventBuses".to_owned(),
    );
    let headers = [target, authorization("eventbridge")];
    let answer = ask(&simulator, "POST", "/", &headers, b"{}");
    assert_eq!(answer.json()["__type"], "InvalidSignatureException");
}

#[test]
fn a_conflict_names_the_tasks_in_the_way() {
    let simulator = Simulator::start();
    simulator.ecs().create_cluster("prod");
    simulator
        .ecs()
        .register(json!({"family": "app", "containerDefinitions": [
        {"name": "app", "image": "repo/app:v1"}]}));
    let run = |count: i64| {
        let target = "AmazonEC2ContainerServiceV20141113.RunTask".to_owned();
        let request = json!({"cluster": "prod", "taskDefinition": "app", "launchType": "FARGATE",
            "clientToken": "t", "count": count});
        let headers = [("x-amz-target".to_owned(), target)];
        ask(
            &simulator,
            "POST",
            "/",
            &headers,
            request.to_string().as_bytes(),
        )
    };
    let first = run(1).json();
    let conflict = run(2);
    assert_eq!(conflict.status, 400);
    let conflict = conflict.json();
    assert_eq!(conflict["__type"], "ConflictException");
    assert_eq!(
        conflict["resourceIds"],
        json!([first["tasks"][0]["taskArn"]])
    );
}

#[test]
fn every_fault_fits_eventbridge_and_its_scheduler() {
    let simulator = Simulator::start();
    simulator.events().put_rule("default", "nightly");
    simulator
        .scheduler()
        .put("default", "nightly", schedule("app:1"));
    let faults = simulator.faults();
    let put = || {
        events(
            &simulator,
            "PutTargets",
            &json!({"Rule": "nightly", "Targets": [target("app:2")]}),
        )
    };
    let update = || schedules(&simulator, "PUT", "/schedules/nightly", &schedule("app:2"));
    for operation in ["PutTargets", "UpdateSchedule"] {
        faults.throttle(operation, 1);
        faults.server_error(operation, 1);
        faults.fail(operation, 1, 409, "ConflictException", "busy");
    }
    let statuses = [put().status, put().status, put().status];
    assert_eq!(statuses, [400, 500, 409]);
    let throttled = update();
    assert_eq!(throttled.status, 429);
    assert!(
        throttled
            .head
            .contains("x-amzn-errortype: ThrottlingException")
    );
    assert_eq!(throttled.json(), json!({"Message": "Rate exceeded"}));
    assert_eq!([update().status, update().status], [500, 409]);
    faults.deny("iam:PassRole");
    let denied = [
        put().json()["message"].clone(),
        update().json()["Message"].clone(),
    ];
    for message in denied {
        let text = format!("iam:PassRole on resource: {ROLE}");
        assert!(message.as_str().unwrap().contains(&text), "{message}");
    }
    faults.lift("iam:PassRole");
    faults.deny("UpdateSchedule");
    let denied = update();
    assert_eq!(denied.status, 403);
    let text = "scheduler:UpdateSchedule on resource: arn:aws:scheduler:eu-central-1:111122223333:schedule/default/nightly";
    assert!(denied.body.contains(text), "{}", denied.body);
    assert_eq!(
        simulator.events().targets("default", "nightly"),
        [] as [Value; 0]
    );
    assert_eq!(
        simulator.scheduler().schedule("default", "nightly"),
        Some(schedule("app:1"))
    );
}

#[test]
fn a_role_that_may_not_be_assumed_is_denied_as_sts_does() {
    let simulator = Simulator::start();
    simulator.sts().allow(ROLE, None);
    simulator.faults().deny("AssumeRole");
    let form = format!(
        "Action=AssumeRole&RoleSessionName=a+b&RoleArn={}",
        ROLE.replace(':', "%3A")
    );
    let kind = (
        "content-type".to_owned(),
        "application/x-www-form-urlencoded".to_owned(),
    );
    let answer = ask(&simulator, "POST", "/", &[kind], form.as_bytes());
    assert_eq!(answer.status, 403);
    assert!(answer.body.contains("<Code>AccessDenied</Code>"));
    let text = format!("sts:AssumeRole on resource: {ROLE} because");
    assert!(answer.body.contains(&text), "{}", answer.body);
    let call = &simulator.calls_of("AssumeRole")[0];
    assert_eq!(call.request["RoleArn"], ROLE);
    assert_eq!(call.request["RoleSessionName"], "a b");
}

/// So many requests at once, each on a thread of its own.
fn at_once(simulator: &Simulator, requests: usize) {
    std::thread::scope(|scope| {
        for _ in 0..requests {
            scope.spawn(|| events(simulator, "ListEventBuses", &json!({})));
        }
    });
}

/// The longest chain of calls of which each waited for the one before.
fn longest_chain(calls: &[Call]) -> usize {
    let waited = |call: &Call| {
        calls
            .iter()
            .filter(|other| other.ended < call.began)
            .cloned()
            .collect::<Vec<_>>()
    };
    calls
        .iter()
        .map(|call| 1 + longest_chain(&waited(call)))
        .max()
        .unwrap_or(0)
}

#[test]
fn requests_take_their_time_side_by_side_and_are_counted_as_they_begin_and_end() {
    let simulator = Simulator::start();
    let latency = Duration::from_millis(400);
    simulator.set_latency(latency);
    let clock = Clock::system();
    let before = clock.now_ms();
    at_once(&simulator, 4);
    at_once(&simulator, 1);
    let took = clock.now_ms() - before;
    // Five one after the other would take two seconds.
    assert!((800..2000).contains(&took), "{took} ms");
    assert_eq!(simulator.max_concurrent(), 4);
    let calls = simulator.calls();
    assert_eq!(longest_chain(&calls), 2);
    let mut steps: Vec<u64> = calls
        .iter()
        .flat_map(|call| [call.began, call.ended])
        .collect();
    steps.sort_unstable();
    assert_eq!(steps, (1..=10).collect::<Vec<u64>>());
    simulator.clear_calls();
    assert_eq!(simulator.max_concurrent(), 0);
}

#[test]
fn a_call_that_is_never_answered_has_no_end_and_one_whose_connection_is_closed_has() {
    let simulator = Simulator::start();
    let faults = simulator.faults();
    faults.hang("ListEventBuses", 1);
    let host = simulator.endpoint().replace("http://", "");
    let mut hanging = TcpStream::connect(&host).unwrap();
    let head = "POST / HTTP/1.1\r\nhost: h\r\nx-amz-target: AWSEvents.ListEventBuses\r\ncontent-length: 2\r\n\r\n{}";
    hanging.write_all(head.as_bytes()).unwrap();
    while simulator.calls().is_empty() {
        std::thread::yield_now();
    }
    faults.reset("ListEventBuses", 1);
    let mut reset = TcpStream::connect(&host).unwrap();
    reset.write_all(head.as_bytes()).unwrap();
    let mut answer = String::new();
    drop(reset.read_to_string(&mut answer));
    assert_eq!(answer, "");
    let calls = simulator.calls();
    assert_eq!((calls[0].ended, calls[0].status), (0, 0));
    assert_eq!((calls[1].ended, calls[1].status), (3, 0));
}

/// `20260921T141320Z`.
fn timestamp(millis: i64) -> String {
    let (days, seconds) = (
        millis.div_euclid(86_400_000),
        millis.div_euclid(1000).rem_euclid(86_400),
    );
    // http://howardhinnant.github.io/date_algorithms.html#civil_from_days
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 {
        shifted_month + 3
    } else {
        shifted_month - 9
    };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    let (hour, minute, second) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    format!("{year:04}{month:02}{day:02}T{hour:02}{minute:02}{second:02}Z")
}

fn hmac(key: &[u8], text: &str) -> Vec<u8> {
    let mut block = [0; 64];
    block[..key.len()].copy_from_slice(key);
    let pad = |with: u8| block.iter().map(move |byte| byte ^ with);
    let inner: Vec<u8> = pad(0x36).chain(text.bytes()).collect();
    let outer: Vec<u8> = pad(0x5c).chain(Sha256::checksum(&inner)).collect();
    Sha256::checksum(&outer).to_vec()
}

/// Puts an object as the SDK does: unsigned, in chunks, its checksum behind them.
fn put(
    simulator: &Simulator,
    path: &str,
    content: &str,
    crc32: &str,
    more: &[(&str, &str)],
) -> Answer {
    let body = format!(
        "{:x}\r\n{content}\r\n0\r\nx-amz-checksum-crc32:{crc32}\r\n\r\n",
        content.len()
    );
    let now = timestamp(Clock::system().now_ms());
    let payload = "STREAMING-UNSIGNED-PAYLOAD-TRAILER";
    let mut headers: Vec<(String, String)> = [
        ("content-encoding", "aws-chunked"),
        ("x-amz-content-sha256", payload),
        ("x-amz-date", now.as_str()),
        ("x-amz-decoded-content-length", &content.len().to_string()),
        ("x-amz-trailer", "x-amz-checksum-crc32"),
    ]
    .iter()
    .chain(more)
    .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
    .collect();
    headers.sort();
    let host = simulator.endpoint().replace("http://", "");
    let mut signed = vec![("host".to_owned(), host)];
    signed.extend(headers.clone());
    signed.sort();
    let lines = signed
        .iter()
        .map(|(name, value)| [name, ":", value, "\n"].concat());
    let lines: String = lines.collect();
    let names: Vec<&str> = signed.iter().map(|(name, _)| name.as_str()).collect();
    let names = names.join(";");
    let canonical = format!("PUT\n{path}\n\n{lines}\n{names}\n{payload}");
    let date = &now[..8];
    let scope = format!("{date}/{REGION}/s3/aws4_request");
    let hash = hex::encode(Sha256::checksum(canonical.as_bytes()));
    let to_sign = format!("AWS4-HMAC-SHA256\n{now}\n{scope}\n{hash}");
    let secret = format!("AWS4{FUNCTION_SECRET_ACCESS_KEY}");
    let key = [date, REGION, "s3", "aws4_request"]
        .iter()
        .fold(secret.into_bytes(), |key, part| hmac(&key, part));
    let signature = hex::encode(hmac(&key, &to_sign));
    headers.push((
        "authorization".to_owned(),
        format!("AWS4-HMAC-SHA256 Credential={FUNCTION_ACCESS_KEY_ID}/{scope}, SignedHeaders={names}, Signature={signature}"),
    ));
    ask(simulator, "PUT", path, &headers, body.as_bytes())
}

/// CRC-32 of `hello`.
const HELLO: &str = "NhCmhg==";

#[test]
fn an_object_is_put_in_chunks_with_its_checksum_behind_them() {
    let simulator = Simulator::start();
    let s3 = simulator.s3();
    s3.create_bucket("records");
    s3.set_versioned("records", true);
    let answer = put(&simulator, "/records/a/b%20c.html", "hello", HELLO, &[]);
    assert_eq!(answer.status, 200, "{}", answer.body);
    assert!(
        answer.head.contains("x-amz-version-id: version-1"),
        "{}",
        answer.head
    );
    assert_eq!(s3.get("records", "a/b c.html"), Some(b"hello".to_vec()));
    assert_eq!(s3.encryption("records", "a/b c.html"), None);
    let call = &simulator.calls_of("PutObject")[0];
    assert_eq!(call.request["Bucket"], "records");
    assert_eq!(call.request["Key"], "a/b c.html");
    assert_eq!(call.request["ServerSideEncryption"], Value::Null);
}

#[test]
fn an_object_remembers_the_encryption_that_its_writer_asked_for() {
    let simulator = Simulator::start();
    let s3 = simulator.s3();
    s3.create_bucket("records");
    let key = "arn:aws:kms:eu-central-1:111122223333:key/1";
    let kms = [
        ("x-amz-server-side-encryption", "aws:kms"),
        ("x-amz-server-side-encryption-aws-kms-key-id", key),
    ];
    let answer = put(&simulator, "/records/a", "hello", HELLO, &kms);
    assert_eq!(answer.status, 200, "{}", answer.body);
    let expected = Some(("aws:kms".to_owned(), Some(key.to_owned())));
    assert_eq!(s3.encryption("records", "a"), expected);
    assert!(
        answer
            .head
            .contains("x-amz-server-side-encryption: aws:kms")
    );
    let call = &simulator.calls_of("PutObject")[0];
    assert_eq!(call.request["ServerSideEncryption"], "aws:kms");
    assert_eq!(call.request["SSEKMSKeyId"], key);
    let aes = [("x-amz-server-side-encryption", "AES256")];
    assert_eq!(
        put(&simulator, "/records/b", "hello", HELLO, &aes).status,
        200
    );
    assert_eq!(
        s3.encryption("records", "b"),
        Some(("AES256".to_owned(), None))
    );
}

#[test]
fn an_object_that_s3_would_refuse_is_refused() {
    let simulator = Simulator::start();
    let s3 = simulator.s3();
    s3.put("records", "known", "old");
    s3.create_bucket("denied");
    s3.deny("denied");
    s3.create_bucket("locked");
    s3.lock("locked", "arn:aws:kms:eu-central-1:111122223333:key/1");
    let sse = "x-amz-server-side-encryption";
    let key = "x-amz-server-side-encryption-aws-kms-key-id";
    for (path, crc32, more, status, code) in [
        ("/none/a", HELLO, vec![], 404, "NoSuchBucket"),
        ("/denied/a", HELLO, vec![], 403, "AccessDenied"),
        ("/locked/a", HELLO, vec![], 403, "kms:GenerateDataKey"),
        ("/records/a", "AAAAAA==", vec![], 400, "BadDigest"),
        (
            "/records/a",
            HELLO,
            vec![(sse, "AES256"), (key, "k")],
            400,
            "InvalidArgument",
        ),
        (
            "/records/a",
            HELLO,
            vec![(sse, "rot13")],
            400,
            "InvalidArgument",
        ),
        (
            "/records/a",
            HELLO,
            vec![("x-amz-acl", "public-read")],
            501,
            "NotImplemented",
        ),
        (
            "/records/known",
            HELLO,
            vec![("if-none-match", "*")],
            412,
            "PreconditionFailed",
        ),
    ] {
        let answer = put(&simulator, path, "hello", crc32, &more);
        assert_eq!(answer.status, status, "{path} {more:?}: {}", answer.body);
        assert!(answer.body.contains(code), "{}", answer.body);
    }
    assert_eq!(s3.get("records", "a"), None);
    assert_eq!(s3.get("records", "known"), Some(b"old".to_vec()));
    simulator.faults().deny("PutObject");
    let answer = put(&simulator, "/records/a", "hello", HELLO, &[]);
    let text = "s3:PutObject on resource: \"arn:aws:s3:::records/a\"";
    assert!(answer.body.contains(text), "{}", answer.body);
}

fn ecs(simulator: &Simulator, operation: &str, request: &Value) -> Answer {
    let target = format!("AmazonEC2ContainerServiceV20141113.{operation}");
    let headers = [("x-amz-target".to_owned(), target), authorization("ecs")];
    let body = request.to_string();
    ask(simulator, "POST", "/", &headers, body.as_bytes())
}

/// The names of the clusters, as the client lists them.
fn clusters(simulator: &Simulator) -> Value {
    ecs(simulator, "ListClusters", &json!({})).json()["clusterArns"].clone()
}

#[test]
fn somebody_acts_right_before_or_after_the_call_that_a_test_names() {
    let simulator = Simulator::start();
    let (before, after) = (simulator.ecs(), simulator.ecs());
    let faults = simulator.faults();
    faults.before("ListClusters", 2, move || before.create_cluster("before"));
    faults.after("*", 2, move || after.create_cluster("after"));
    let count = || clusters(&simulator).as_array().map(Vec::len);
    assert_eq!([count(), count(), count()], [Some(0), Some(1), Some(2)]);
}

#[test]
fn an_answer_is_mutated_once_and_the_record_keeps_what_was_done() {
    let simulator = Simulator::start();
    let faults = simulator.faults();
    faults.mutate("ListClusters", 2, |answer| {
        answer["clusterArns"] = json!("none");
    });
    assert_eq!(clusters(&simulator), json!([]));
    assert_eq!(clusters(&simulator), json!("none"));
    assert_eq!(clusters(&simulator), json!([]));
    faults.rewrite(|call, reply| {
        reply.status = 503;
        reply.content_type = Some("text/html".to_owned());
        reply.body = call.operation.clone().into_bytes();
    });
    let answer = ecs(&simulator, "ListClusters", &json!({}));
    assert_eq!((answer.status, answer.body.as_str()), (503, "ListClusters"));
    assert!(answer.head.contains("text/html"), "{}", answer.head);
    faults.rewrite_no_more();
    assert_eq!(clusters(&simulator), json!([]));
    assert!(simulator.calls().iter().all(|call| call.error.is_none()));
}
