//! The end of a proxy that does not end by itself.

#![expect(clippy::unwrap_used, reason = "a failed test is meant to panic")]

use std::io::Read as _;
use std::process::{Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};

use super::passed::Passed;
use super::stop;

#[test]
fn a_proxy_that_does_not_end_is_killed() {
    for (script, stopped) in [
        ("trap '' TERM; echo; exec sleep 1000", false),
        ("trap '' TERM; echo; exec sleep 1000", true),
        ("echo; exec sleep 1000", true),
    ] {
        let mut proxy = Command::new("sh")
            .args(["-c", script])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let pid = Pid::from_child(&proxy);
        let said = proxy.stdout.as_mut().unwrap().read(&mut [0]);
        assert_eq!(said.unwrap(), 1);
        if stopped {
            kill_process(pid, Signal::STOP).unwrap();
        }
        // The time goes on as soon as there is nothing else to do.
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_io()
            .enable_time()
            .start_paused(true)
            .build();
        let stopping = async { stop(pid, &mut Passed::handle().unwrap()).await };
        runtime.unwrap().block_on(stopping).unwrap();
        // It was waited for.
        assert!(proxy.wait().is_err(), "{script} {stopped}");
    }
}
