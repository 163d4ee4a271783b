//! A report in a real browser: it is drawn without a script error, and fits a desktop and a phone.
//!
//! Needs Chromium. Where there is none the test says so and passes, unless `CI` is set.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use simulations::{
    report::page,
    run::{Options, run},
    scenario::{Scenario, shipped},
};

/// A page that shows the report in a frame as wide as a phone, and says what became of it.
const FRAME: &str = r#"<!doctype html><body style="margin:0">
<iframe id="phone" src="report.html" width="390" height="844"></iframe>
<script>
document.getElementById("phone").addEventListener("load", (event) => {
  const said = document.body.dataset, page = event.target.contentDocument.documentElement;
  said.drawn = page.dataset.drawn;
  said.overflow = page.dataset.overflow;
  said.width = event.target.contentWindow.innerWidth;
});
</script>"#;
/// How long a browser may take for one page.
const BROWSER_MAX: Duration = Duration::from_secs(60);

fn browser() -> Option<PathBuf> {
    let named = env::var_os("CHROMIUM").map(PathBuf::from);
    let path = env::var_os("PATH").unwrap_or_default();
    let known = ["chromium", "chromium-browser", "google-chrome", "chrome"];
    let mut found = env::split_paths(&path)
        .flat_map(|directory| known.map(|name| directory.join(name)))
        .filter(|program| program.is_file());
    let browser = named.or_else(|| found.next());
    if browser.is_none() {
        let mend = "install it (Debian: apt-get install chromium), or name it in CHROMIUM";
        assert!(env::var_os("CI").is_none(), "no browser: {mend}");
        eprintln!("NOT TESTED: there is no Chromium here; {mend}");
    }
    browser
}

/// The page of a scenario with a partition, on disk.
fn report(directory: &Path) -> PathBuf {
    let file = shipped()
        .iter()
        .find(|file| file.name == "partition-heal")
        .expect("it ships");
    let scenario =
        Scenario::parse(file.text, file.name).and_then(|scenario| scenario.with_nodes(16));
    let options = Options {
        record: true,
        ..Options::default()
    };
    let run = run(&scenario.expect("it is sound"), 1, options);
    let mut recording = run.recording.expect("asked for");
    // As many as are recorded at most, in a world of a thousand.
    let change = simulations::outcome::Spreading {
        known_ms: (1..1_000_u32).map(f64::from).collect(),
        of: 999,
        ..recording.changes[0].clone()
    };
    recording.changes.resize(400, change.clone());
    recording
        .changes
        .iter_mut()
        .for_each(|each| each.clone_from(&change));
    let path = directory.join("report.html");
    fs::write(&path, page(&run.outcome, &recording)).unwrap();
    path
}

/// What is left of a page after its scripts have run, and what it logged.
fn load(browser: &Path, directory: &Path, page: &Path) -> (String, String) {
    let [dom, log] = ["dom", "log"].map(|name| directory.join(name));
    let child = Command::new(browser)
        .args([
            "--headless=new",
            "--no-sandbox",
            "--disable-gpu",
            "--dump-dom",
        ])
        .args(["--enable-logging=stderr", "--virtual-time-budget=5000"])
        // A file may not look into another one otherwise, as the frame's page does.
        .args(["--allow-file-access-from-files", "--window-size=1440,900"])
        .arg(format!(
            "--user-data-dir={}",
            directory.join("profile").display()
        ))
        .arg(format!("file://{}", page.display()))
        .stdin(Stdio::null())
        .stdout(fs::File::create(&dom).unwrap())
        .stderr(fs::File::create(&log).unwrap())
        .spawn()
        .unwrap();
    wait(child);
    let read = |path| String::from_utf8_lossy(&fs::read(path).unwrap()).into_owned();
    (read(dom), read(log))
}

fn wait(mut child: Child) {
    let end = Instant::now() + BROWSER_MAX;
    while child.try_wait().unwrap().is_none() {
        if Instant::now() > end {
            child.kill().unwrap();
            panic!("the browser took more than {BROWSER_MAX:?}");
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn it_is_drawn_without_an_error_and_fits_a_desktop_and_a_phone() {
    let Some(browser) = browser() else {
        return;
    };
    let directory = env::temp_dir().join(format!("tidings-report-{}", std::process::id()));
    fs::create_dir_all(&directory).unwrap();
    let report = report(&directory);
    // A browser's window has a least width that is wider than a phone; a frame has none.
    let framed = directory.join("phone.html");
    fs::write(&framed, FRAME).unwrap();

    let (dom, log) = load(&browser, &directory, &report);
    assert!(
        !log.contains("CONSOLE") && !log.contains("Uncaught"),
        "{log}"
    );
    assert!(
        dom.contains("data-drawn=\"yes\""),
        "the script did not come to its end"
    );
    assert!(
        dom.contains("data-overflow=\"false\""),
        "wider than the desktop"
    );

    let (dom, log) = load(&browser, &directory, &framed);
    assert!(
        !log.contains("CONSOLE") && !log.contains("Uncaught"),
        "{log}"
    );
    assert!(dom.contains("data-width=\"390\""), "{dom}");
    assert!(
        dom.contains("data-drawn=\"yes\""),
        "the script did not come to its end"
    );
    assert!(
        dom.contains("data-overflow=\"false\""),
        "wider than the phone"
    );
    fs::remove_dir_all(&directory).unwrap();
}
