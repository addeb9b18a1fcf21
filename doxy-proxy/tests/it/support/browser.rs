//! A real browser: Debian's Chromium, driven by its debugging protocol over a pair of pipes.
//!
//! Messages are JSON, each ends with a zero byte. No port, no driver, no library: a question has a number,
//! and its answer has the same.

use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::process::CommandExt as _;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;

use rustix::process::{Pid, Signal, kill_process_group};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::{Need, TIMEOUT, needs, wait};

/// The descriptors 3 and 4 are those that the browser reads and writes.
const SHELL: &str = "exec 3<&0 4>&1 0</dev/null 1>/dev/null 2>&1
    exec chromium --headless=new --no-sandbox --remote-debugging-pipe --user-data-dir=\"$HOME\" \
    --disable-gpu --disable-quic --disable-sync --disable-background-networking \
    --disable-component-update --no-first-run --disable-dev-shm-usage";

/// The browser with one page. When this is dropped it is killed.
pub(crate) struct Browser {
    child: Child,
    input: ChildStdin,
    messages: Receiver<Value>,
    asked: u64,
    session: Option<String>,
    /// What the page complained about, and what it was forbidden.
    pub(crate) complaints: Vec<String>,
    _home: TempDir,
}

impl Browser {
    /// None if there is no Chromium.
    pub(crate) fn start() -> Option<Self> {
        if !needs(Need::Tool("chromium")) {
            return None;
        }
        let home = tempfile::tempdir().unwrap();
        let mut child = Command::new("/bin/sh")
            .args(["-c", SHELL])
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", home.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .process_group(0)
            .spawn()
            .unwrap();
        let input = child.stdin.take().unwrap();
        let mut output = BufReader::new(child.stdout.take().unwrap());
        let (sender, messages) = channel();
        thread::spawn(move || {
            let mut message = Vec::new();
            while output
                .read_until(0, &mut message)
                .is_ok_and(|count| count > 0)
            {
                message.pop();
                let read = serde_json::from_slice(&message).unwrap();
                if sender.send(read).is_err() {
                    return;
                }
                message.clear();
            }
        });
        let mut browser = Self {
            child,
            input,
            messages,
            asked: 0,
            session: None,
            complaints: vec![],
            _home: home,
        };
        let page = browser.call("Target.createTarget", json!({"url": "about:blank"}));
        let attached = browser.call(
            "Target.attachToTarget",
            json!({"targetId": page["targetId"], "flatten": true}),
        );
        browser.session = attached["sessionId"].as_str().map(str::to_owned);
        for domain in ["Page.enable", "Runtime.enable", "Log.enable"] {
            browser.call(domain, json!({}));
        }
        Some(browser)
    }

    /// Asks the page, and returns what it answers.
    #[track_caller]
    pub(crate) fn call(&mut self, method: &str, params: Value) -> Value {
        let session = self.session.clone();
        self.ask(method, params, session)
    }

    /// Asks the browser as a whole.
    #[track_caller]
    pub(crate) fn call_whole(&mut self, method: &str, params: Value) -> Value {
        self.ask(method, params, None)
    }

    #[track_caller]
    fn ask(&mut self, method: &str, params: Value, session: Option<String>) -> Value {
        self.asked += 1;
        let mut question = json!({"id": self.asked, "method": method, "params": params});
        if let Some(session) = session {
            question["sessionId"] = json!(session);
        }
        write!(self.input, "{question}\0").unwrap();
        self.input.flush().unwrap();
        loop {
            let message = self.messages.recv_timeout(TIMEOUT);
            let mut message = message.unwrap_or_else(|_| panic!("no answer to {question}"));
            if message["id"] == self.asked {
                assert!(message["error"].is_null(), "{method}: {message}");
                return message["result"].take();
            }
            self.hear(&message);
        }
    }

    fn hear(&mut self, message: &Value) {
        let params = &message["params"];
        match message["method"].as_str() {
            Some("Runtime.exceptionThrown") => {
                let complaint = &params["exceptionDetails"]["exception"]["description"];
                self.complaints.push(complaint.to_string());
            }
            Some("Log.entryAdded") if params["entry"]["level"] == "error" => {
                self.complaints.push(params["entry"]["text"].to_string());
            }
            _ => {}
        }
    }

    /// How the page is looked at: its size in pixels, and the colours that are preferred.
    pub(crate) fn look(&mut self, width: u32, height: u32, scheme: &str) {
        self.call(
            "Emulation.setDeviceMetricsOverride",
            json!({"width": width, "height": height, "deviceScaleFactor": 1, "mobile": false}),
        );
        let features = json!([{"name": "prefers-color-scheme", "value": scheme}]);
        self.call("Emulation.setEmulatedMedia", json!({"features": features}));
    }

    /// Goes to another page.
    pub(crate) fn open(&mut self, url: &str) {
        let went = self.call("Page.navigate", json!({"url": url}));
        assert!(went["errorText"].is_null(), "{url}: {went}");
    }

    /// What an expression is in the page; a promise is waited for.
    #[track_caller]
    pub(crate) fn value(&mut self, expression: &str) -> Value {
        let params = json!({"expression": expression, "awaitPromise": true, "returnByValue": true});
        let mut said = self.call("Runtime.evaluate", params);
        let failed = &said["exceptionDetails"];
        assert!(failed.is_null(), "{expression:.200}: {failed}");
        said["result"]["value"].take()
    }

    /// Waits until an expression is true in the page.
    #[track_caller]
    pub(crate) fn until(&mut self, expression: &str) {
        let found = wait::try_until(|| (self.value(expression) == true).then_some(()));
        assert!(
            found.is_some(),
            "waited in vain: {expression}\n{}\n{:?}",
            self.value("document.body.innerText"),
            self.complaints
        );
    }

    /// Presses a key that has no character, or Enter.
    pub(crate) fn press(&mut self, key: &str) {
        let (code, text) = match key {
            "Tab" => (9, ""),
            "Enter" => (13, "\r"),
            _ => panic!("no such key: {key}"),
        };
        let down = if text.is_empty() {
            "rawKeyDown"
        } else {
            "keyDown"
        };
        for kind in [down, "keyUp"] {
            let params = json!({
                "type": kind, "key": key, "code": key, "windowsVirtualKeyCode": code, "text": text,
            });
            self.call("Input.dispatchKeyEvent", params);
        }
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // Both fail only if it has ended already.
        let _ = kill_process_group(Pid::from_child(&self.child), Signal::KILL);
        let _ = self.child.wait();
    }
}
