//! What `deploy/` has for Prometheus and Grafana: of metrics that there are, and valid.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::admin::metrics::documented;
use crate::doors::address;
use crate::support::files::short_folder;
use crate::support::process::{Process, command};
use crate::support::{Client, Fake, Need, Setup, needs, wait};

/// The tests of the alerts.
const TESTS: [&str; 2] = ["doxy.rules.test.yml", "doxy.rules.days.test.yml"];

fn deploy(path: &str) -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    root.join("deploy").join(path)
}

fn read(path: &str) -> String {
    fs::read_to_string(deploy(path)).unwrap()
}

fn dashboard() -> Value {
    serde_json::from_str(&read("grafana/doxy.json")).unwrap()
}

/// All values of this key, at any depth.
fn all<'v>(json: &'v Value, key: &str, found: &mut Vec<&'v str>) {
    match json {
        Value::Object(members) => {
            for (name, value) in members {
                match value {
                    Value::String(text) if name == key => found.push(text),
                    _ => all(value, key, found),
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| all(item, key, found)),
        _ => {}
    }
}

/// What promtool tries the alerts with.
fn tests_of_alerts() -> String {
    TESTS
        .map(|file| read(&format!("prometheus/{file}")))
        .concat()
}

/// What the panels and the variables of the dashboard ask Prometheus.
fn questions(dashboard: &Value) -> [Vec<&str>; 2] {
    ["expr", "definition"].map(|key| {
        let mut found = Vec::new();
        all(dashboard, key, &mut found);
        found
    })
}

/// A question as Grafana asks it, about everything.
fn resolved(question: &str) -> String {
    let question = question.replace("$__rate_interval", "5m");
    let question = question.replace("$__range", "6h");
    let all = ["$job", "$instance", "$socket"];
    all.iter().fold(question, |it, name| it.replace(name, ".*"))
}

/// The metrics that are named in a text.
fn named(text: &str) -> BTreeSet<&str> {
    let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    words
        .filter(|word| word.starts_with("doxy_") || word.starts_with("process_"))
        .map(|word| word.strip_suffix("_bucket").unwrap_or(word))
        .collect()
}

#[test]
fn the_dashboard_and_the_alerts_use_the_metrics_that_there_are() {
    let documented: BTreeSet<_> = documented().into_keys().collect();
    let dashboard = dashboard();
    let [panels, variables] = questions(&dashboard);
    assert!(panels.len() > 25 && variables.len() >= 3);
    let shown = [panels, variables].concat().join("\n");
    let rules = read("prometheus/doxy.rules.yml");
    for text in [&shown, &rules, &tests_of_alerts()] {
        let used = named(text);
        assert!(used.len() > 5, "{used:?}");
        let unknown: Vec<_> = used
            .iter()
            .filter(|it| !documented.contains(**it))
            .collect();
        assert!(unknown.is_empty(), "{unknown:?}");
    }
    // And the dashboard leaves none out but what nobody looks at.
    let shown = named(&shown);
    let missing = documented.iter().filter(|it| !shown.contains(&***it));
    let missing: Vec<_> = missing.collect();
    assert_eq!(missing, ["process_threads", "process_virtual_memory_bytes"]);
}

#[test]
fn the_panels_of_the_dashboard_have_places_of_their_own() {
    let dashboard = dashboard();
    let panels = dashboard["panels"].as_array().unwrap();
    let (mut ids, mut cells) = (BTreeSet::new(), BTreeSet::new());
    for panel in panels {
        assert!(ids.insert(panel["id"].as_u64().unwrap()), "{panel}");
        let number = |key: &str| panel["gridPos"][key].as_u64().unwrap();
        let (x, y) = (number("x"), number("y"));
        assert!(x + number("w") <= 24, "{panel}");
        for row in y..y + number("h") {
            for column in x..x + number("w") {
                assert!(cells.insert((row, column)), "{panel}");
            }
        }
        let row = panel["type"] == "row";
        assert!(row || panel["description"].is_string(), "{panel}");
    }
    let mut sources = Vec::new();
    all(&dashboard["panels"], "uid", &mut sources);
    assert!(sources.iter().all(|uid| *uid == "${datasource}"));
}

#[track_caller]
fn promtool(folder: &Path, args: &[&str]) {
    let mut promtool = Command::new("promtool");
    let ran = promtool.args(args).current_dir(folder).output().unwrap();
    let said = String::from_utf8_lossy(&[ran.stdout, ran.stderr].concat()).into_owned();
    assert!(ran.status.success(), "{args:?}: {said}");
}

#[test]
fn promtool_finds_nothing_wrong_with_the_alerts() {
    if !needs(Need::Tool("promtool")) {
        return;
    }
    let folder = deploy("prometheus");
    for args in [
        ["check", "rules", "doxy.rules.yml"],
        ["test", "rules", TESTS[0]],
        ["test", "rules", TESTS[1]],
        ["check", "config", "prometheus.yml"],
    ] {
        promtool(&folder, &args);
    }
}

/// Each alert has a test, and a line in the manual with its severity.
#[test]
fn each_alert_is_tested_and_documented() {
    let names = |text: &str, before: &str| -> BTreeSet<String> {
        let rest = text.split(before).skip(1);
        let names = rest.map(|rest| rest.split(|c: char| !c.is_alphanumeric()).next());
        names.flatten().map(str::to_owned).collect()
    };
    let alerts = names(&read("prometheus/doxy.rules.yml"), "alert: ");
    let tested = names(&tests_of_alerts(), "alertname: ");
    assert!(alerts.len() > 9, "{alerts:?}");
    assert_eq!(alerts, tested);
    let manual = fs::read_to_string(deploy("../docs/metrics.md")).unwrap();
    let (_, rows) = manual.split_once("\n### Alerts\n").unwrap();
    let rows = rows.lines().filter(|line| line.starts_with("| `Doxy"));
    let listed: BTreeSet<_> = rows
        .map(|row| {
            let cells: Vec<_> = row.split(" | ").collect();
            (cells[0].trim_matches(['|', ' ', '`']).to_owned(), cells[1])
        })
        .collect();
    let rules = read("prometheus/doxy.rules.yml");
    let severities = rules.split("- alert: ").skip(1).map(|alert| {
        let (name, rest) = alert.split_once('\n').unwrap();
        let (_, severity) = rest.split_once("severity: ").unwrap();
        (name.to_owned(), severity.split('}').next().unwrap())
    });
    assert_eq!(listed, severities.collect());
}

/// Every question of the dashboard, as a rule that Prometheus can check.
#[test]
fn promtool_can_read_the_questions_of_the_dashboard() {
    if !needs(Need::Tool("promtool")) {
        return;
    }
    let dashboard = dashboard();
    let [panels, _] = questions(&dashboard);
    let mut rules = "groups:\n- name: dashboard\n  rules:\n".to_owned();
    for (number, question) in panels.iter().enumerate() {
        let question = Value::from(resolved(question));
        rules += &format!("  - record: q{number}\n    expr: {question}\n");
    }
    let folder = short_folder();
    fs::write(folder.path().join("rules.yml"), rules).unwrap();
    promtool(folder.path(), &["check", "rules", "rules.yml"]);
}

#[test]
fn prometheus_shows_a_denied_request() {
    if !needs(Need::Tool("prometheus")) {
        return;
    }
    let fake = Fake::start();
    let admin = address();
    let rules = "/info\nPOST .*\n!POST /containers/create";
    let setup = Setup::new().engine(fake.path()).rules(rules);
    let doxy = setup
        .args(["--admin-listen", &format!("tcp://{admin}")])
        .start();
    // The example, with this doxy, and looking more often.
    let folder = short_folder();
    let example = read("prometheus/prometheus.yml")
        .replace("interval: 15s", "interval: 1s")
        .replace("127.0.0.1:9380", &admin.to_string());
    assert!(example.contains(&admin.to_string()));
    fs::write(folder.path().join("prometheus.yml"), example).unwrap();
    let rules = read("prometheus/doxy.rules.yml");
    fs::write(folder.path().join("doxy.rules.yml"), rules).unwrap();
    let mut prometheus = command("prometheus", folder.path());
    prometheus.args([
        "--config.file=prometheus.yml",
        "--storage.tsdb.path=data",
        "--web.listen-address=127.0.0.1:0",
    ]);
    let prometheus = Process::spawn(&mut prometheus);
    let line = prometheus.logged("Listening on");
    prometheus.logged("Server is ready");
    let (_, at) = line.split_once("address=").unwrap();
    let at = at.split_whitespace().next().unwrap().parse().unwrap();
    let ask = |path: &str| -> Value {
        let request = format!("GET {path} HTTP/1.1\r\nHost: d\r\n\r\n");
        let answer = Client::connect_tcp(at).ask(request);
        let answer: Value = serde_json::from_slice(&answer.body).unwrap();
        assert_eq!(answer["status"], "success", "{path}: {answer}");
        answer
    };
    let query = |question: &str| -> Vec<Value> {
        let question = question.bytes().map(|byte| format!("%{byte:02x}"));
        let question: String = question.collect();
        let answer = ask(&format!("/api/v1/query?query={question}"));
        answer["data"]["result"].as_array().unwrap().clone()
    };

    let create = "POST /containers/create HTTP/1.1\r\nHost: d\r\nContent-Length: 0\r\n\r\n";
    assert_eq!(doxy.ask(create).status(), 403);
    let found = wait::until("Prometheus has the denial", || {
        query("doxy_denials_total > 0").first().cloned()
    });
    for (label, value) in [
        ("job", "doxy"),
        ("socket", "doxy.sock"),
        ("verdict", "denied"),
        ("reason", "deny_rule"),
        ("rule", "rules:3"),
    ] {
        assert_eq!(found["metric"][label], value, "{found}");
    }
    assert_eq!(found["value"][1], "1");
    // It answers the dashboard, but for what this doxy has none of.
    let dashboard = dashboard();
    let [panels, _] = questions(&dashboard);
    for question in panels {
        let none = [
            "doxy_certificate_",
            "doxy_script_",
            "doxy_log_lines_",
            "doxy_last_reload_time_",
            "doxy_lookups_",
        ];
        if none.iter().any(|name| question.contains(name)) {
            continue;
        }
        let asked = resolved(question);
        wait::until(&asked, || {
            // Rates need something that goes on.
            for request in ["GET /info HTTP/1.1\r\nHost: d\r\n\r\n", create] {
                doxy.ask(request);
            }
            (!query(&asked).is_empty()).then_some(())
        });
    }
    // It can evaluate each alert.
    let mut rules = Value::Null;
    let evaluated = wait::try_until(|| {
        rules = ask("/api/v1/rules");
        let all = rules["data"]["groups"][0]["rules"].as_array()?;
        let well = all.iter().filter(|rule| rule["health"] == "ok").count();
        (well > 0 && well == all.len()).then_some(())
    });
    assert!(evaluated.is_some(), "{rules}");
    // A target of the example that is nowhere would be an alert of whoever takes it as it is.
    let targets = ask("/api/v1/targets?state=active");
    let targets = targets["data"]["activeTargets"].as_array().unwrap().len();
    assert_eq!(targets, 1);
    let firing = query("ALERTS{alertname=\"DoxyDown\"}");
    assert!(firing.is_empty(), "{firing:?}");
    drop(prometheus);
    doxy.stop();
}
