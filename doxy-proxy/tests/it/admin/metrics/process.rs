//! What is in force, and the process.

use std::fs;
use std::time::SystemTime;

use rustix::process::Signal;

use crate::support::wait;

use super::ledger::{Ledger, more, request, sample};
use super::scrape::Scrape;
use super::setting::Setting;

pub(super) fn configuration(ledger: &mut Ledger<'_>, setting: &Setting) {
    let before = Scrape::of(&setting.doxy);
    let policies = |of: &Scrape| -> Vec<String> {
        let samples = of.samples().keys();
        let policies = samples.filter(|it| it.starts_with("doxy_policy_info{socket=\"read\""));
        policies.cloned().collect()
    };
    let end = sample("doxy_certificate_end_time_seconds", &[("socket", "script")]);
    // What certificates have as a rule.
    let expected = rcgen::date_time_ymd(4096, 1, 1).unix_timestamp();
    assert_eq!(before.get(&end), expected as f64);
    ledger.seen(&end);
    assert_eq!(before.get("doxy_last_reload_time_seconds"), 0.0);

    let reloads = |result| (sample("doxy_reloads_total", &[("result", result)]), 1.0);
    let reload = |toml: &str| {
        fs::write(setting.doxy.path("doxy.toml"), toml).unwrap();
        setting.doxy.process.signal(Signal::HUP);
    };
    let ok = |by| ("doxy_last_reload_ok".to_owned(), by);
    ledger.moves(&[reloads("failed"), ok(-1.0)], || reload("wrong"));
    assert_eq!(policies(&before), policies(&Scrape::of(&setting.doxy)));

    let other = setting.toml("/version\"\ndry-run = \"1h");
    let dry = more("doxy_dry_run read", 1.0);
    ledger.moves(&[reloads("ok"), ok(1.0), dry], || reload(&other));
    let after = Scrape::of(&setting.doxy);
    let at = after.get("doxy_last_reload_time_seconds");
    assert!((now() - at).abs() < 3600.0, "{at}");
    ledger.seen("doxy_last_reload_time_seconds");
    let (old, new) = (policies(&before), policies(&after));
    assert_eq!([old.len(), new.len()], [1, 1]);
    assert_ne!(old, new);
    ledger.seen(&new[0]);
    // What was counted before stays.
    let (any, _) = request("read none GET denied 4xx");
    assert_eq!([before.get(&any), after.get(&any)], [1.0, 1.0]);
}

fn now() -> f64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    since.unwrap().as_secs_f64()
}

pub(super) fn process(ledger: &mut Ledger<'_>) {
    let doxy = ledger.doxy;
    let before = Scrape::of(doxy);
    let cpu = "process_cpu_seconds_total";
    wait::until(cpu, || {
        (Scrape::of(doxy).get(cpu) > before.get(cpu)).then_some(())
    });
    let info = sample("doxy_build_info", &[("version", env!("CARGO_PKG_VERSION"))]);
    assert_eq!(before.get(&info), 1.0);
    let read = |file: &str| fs::read_to_string(format!("/proc/{}/{file}", doxy.process.pid()));
    let limits = read("limits").unwrap();
    let files = limits
        .lines()
        .find(|line| line.starts_with("Max open files"));
    let files: f64 = files
        .unwrap()
        .split_whitespace()
        .nth(3)
        .unwrap()
        .parse()
        .unwrap();
    let now = now();
    for (metric, slack, expected) in [
        ("process_max_fds", 0.0, &(|| files) as &dyn Fn() -> f64),
        ("process_virtual_memory_bytes", 64e6, &|| {
            doxy.process.kib("status", "VmSize:") as f64 * 1024.0
        }),
        ("process_resident_memory_bytes", 16e6, &|| {
            doxy.process.kib("status", "VmRSS:") as f64 * 1024.0
        }),
        ("process_threads", 0.0, &|| {
            let threads = fs::read_dir(format!("/proc/{}/task", doxy.process.pid()));
            threads.unwrap().count() as f64
        }),
        ("process_start_time_seconds", 3600.0, &|| now),
        // A scrape opens some.
        ("process_open_fds", 3.0, &|| {
            doxy.process.descriptors().len() as f64
        }),
    ] {
        if metric != "process_open_fds" || super::kernel_counts_files() {
            // Threads and files come and go.
            wait::until(metric, || {
                let value = Scrape::of(doxy).get(metric);
                (value > 0.0 && (value - expected()).abs() <= slack).then_some(())
            });
        }
        ledger.seen(metric);
    }
    ledger.seen(cpu);
    ledger.seen(&info);
}
