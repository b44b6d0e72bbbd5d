//! The text for Prometheus: every rule of the format is kept, and the numbers are the snapshot's.
#![forbid(unsafe_code)]

use std::collections::{BTreeMap, BTreeSet};

use yamanote::insight::PollTimes;
use yamanote::runtime::{Builder, Runtime};

type Labels = Vec<(String, String)>;

/// Name, labels in order, value.
type Sample = (String, Labels, f64);

/// A family as a strict reader takes it.
#[derive(Debug, Default)]
struct Family {
    kind: String,
    unit: Option<String>,
    help: String,
    samples: Vec<Sample>,
}

/// Reads the text by the rules of OpenMetrics 1.0; panics where it breaks one.
fn parse(text: &str) -> BTreeMap<String, Family> {
    let body = text.strip_suffix("# EOF\n").expect("it ends with # EOF");
    assert!(!body.contains("# EOF") && !body.contains('\r') && !body.contains("\n\n"));
    let mut families = BTreeMap::<String, Family>::new();
    let mut current = String::new();
    for line in body.lines() {
        let Some(about) = line.strip_prefix("# ") else {
            let family = families.get_mut(&current).expect("a family comes first");
            family.samples.push(sample(line, &current, &family.kind));
            continue;
        };
        let mut words = about.splitn(3, ' ');
        let mut word = || {
            words
                .next()
                .unwrap_or_else(|| panic!("too short: {line}"))
                .to_owned()
        };
        let (what, name, value) = (word(), word(), word());
        if what == "TYPE" {
            assert!(!families.contains_key(&name), "{name} comes twice");
            assert!(is_name(&name), "{name}");
            current.clone_from(&name);
        }
        assert_eq!(current, name, "in the midst of another family");
        let family = families.entry(name.clone()).or_default();
        assert!(family.samples.is_empty(), "{what} of {name} comes late");
        match what.as_str() {
            "TYPE" => family.kind = value,
            "UNIT" => {
                assert!(name.ends_with(&format!("_{value}")), "{name} is in {value}");
                family.unit = Some(value);
            }
            "HELP" => family.help = value,
            other => panic!("unknown: {other}"),
        }
    }
    for (name, family) in &families {
        check(name, family);
    }
    families
}

fn is_name(name: &str) -> bool {
    let is_start = |c: char| c.is_ascii_alphabetic() || c == '_';
    name.starts_with(is_start) && name.chars().all(|c| is_start(c) || c.is_ascii_digit())
}

fn sample(line: &str, family: &str, kind: &str) -> Sample {
    let end = line.find(['{', ' ']).expect("a name and a value");
    let (name, mut rest) = line.split_at(end);
    let suffix = name
        .strip_prefix(family)
        .unwrap_or_else(|| panic!("{name} in {family}"));
    let allowed: &[&str] = match kind {
        "gauge" => &[""],
        "counter" => &["_total"],
        "info" => &["_info"],
        "histogram" => &["_bucket", "_count", "_sum"],
        other => panic!("type {other}"),
    };
    assert!(allowed.contains(&suffix), "{name} is no sample of a {kind}");
    let mut labels = Vec::new();
    if let Some(inside) = rest.strip_prefix('{') {
        rest = inside;
        loop {
            let (label, value) = rest.split_once("=\"").expect("a label");
            assert!(is_name(label), "{label}");
            let mut text = String::new();
            let mut chars = value.char_indices();
            let end = loop {
                match chars.next().expect("the label ends") {
                    (at, '"') => break at + 1,
                    (_, '\\') => text.push(match chars.next().expect("an escape").1 {
                        'n' => '\n',
                        c @ ('"' | '\\') => c,
                        c => panic!("an unknown escape {c}"),
                    }),
                    (_, c) => text.push(c),
                }
            };
            labels.push((label.to_owned(), text));
            rest = &value[end..];
            match rest.strip_prefix(',') {
                Some(next) => rest = next,
                None => break,
            }
        }
        rest = rest.strip_prefix('}').expect("labels end");
    }
    let value = rest.strip_prefix(' ').expect("a space before the value");
    assert!(!value.contains(' '), "no time stamp is given: {line}");
    (name.to_owned(), labels, value.parse().expect("a number"))
}

/// What holds for a whole family.
fn check(name: &str, family: &Family) {
    assert!(
        !family.help.is_empty() && !family.samples.is_empty(),
        "{name}"
    );
    let mut seen = BTreeSet::new();
    for (sample, labels, value) in &family.samples {
        assert!(
            seen.insert((sample, labels)),
            "{sample} {labels:?} comes twice"
        );
        let names = Vec::from_iter(labels.iter().map(|(label, _)| label));
        assert_eq!(BTreeSet::from_iter(&names).len(), names.len(), "{labels:?}");
        assert!(value.is_finite() && *value >= 0.0, "{sample} {value}");
    }
    if family.kind != "histogram" {
        return;
    }
    let without_le = |labels: &[(String, String)]| {
        Vec::from_iter(labels.iter().filter(|(label, _)| label != "le").cloned())
    };
    let series = BTreeSet::from_iter(family.samples.iter().map(|(_, it, _)| without_le(it)));
    for one in series {
        let of = |suffix: &str| {
            let wanted = format!("{name}{suffix}");
            let samples = family.samples.iter();
            samples
                .filter(|(sample, labels, _)| *sample == wanted && without_le(labels) == one)
                .map(|(_, labels, value)| (labels.last().cloned(), *value))
                .collect::<Vec<_>>()
        };
        let buckets = of("_bucket");
        let mut before = (f64::NEG_INFINITY, 0.0);
        for (label, count) in &buckets {
            let (label, bound) = label.as_ref().expect("le");
            assert_eq!(label, "le");
            let bound: f64 = bound.replace('+', "").parse().unwrap();
            assert!(bound > before.0 && *count >= before.1, "{name} {bound}");
            before = (bound, *count);
        }
        assert_eq!(before.0, f64::INFINITY, "the last bucket has no end");
        let (count, sum) = (of("_count"), of("_sum"));
        assert!(
            count.len() == 1 && sum.len() == 1 && count[0].1 == before.1,
            "{name}"
        );
    }
}

fn busy_runtime(builder: &mut Builder) -> Runtime {
    let rt = builder
        .enable_all()
        .poll_times(PollTimes::Each)
        .build()
        .unwrap();
    rt.block_on(async {
        for _ in 0..100 {
            yamanote::spawn(yamanote::task::yield_now()).await.unwrap();
        }
        yamanote::time::sleep(std::time::Duration::from_millis(1)).await;
        yamanote::task::spawn_blocking(|| ()).await.unwrap();
        yamanote::fs::read("/proc/self/stat").await.unwrap();
    });
    rt
}

/// The names that a family's samples have.
fn sample_names() -> BTreeSet<String> {
    let rt = busy_runtime(&mut Builder::new_multi_thread());
    let families = parse(&rt.metrics().to_openmetrics());
    let samples = families.values().flat_map(|family| &family.samples);
    samples.map(|(name, _, _)| name.clone()).collect()
}

#[test]
fn the_text_keeps_the_rules_and_has_the_numbers() {
    for builder in [
        &mut Builder::new_current_thread(),
        Builder::new_multi_thread().worker_threads(3),
    ] {
        let rt = busy_runtime(builder);
        let metrics = rt.metrics();
        let workers = metrics.num_workers();
        drop(rt);
        let (families, snapshot) = (parse(&metrics.to_openmetrics()), metrics.insight());
        let sum = |family: &str, name: &str| -> f64 {
            let samples = families[&format!("yamanote_{family}")].samples.iter();
            samples
                .filter(|it| it.0 == format!("yamanote_{name}"))
                .map(|it| it.2)
                .sum()
        };
        assert_eq!(sum("tasks_spawned", "tasks_spawned_total"), 100.0);
        assert_eq!(
            sum("timers_fired", "timers_fired_total"),
            snapshot.timers.fired as f64
        );
        let polls: u64 = snapshot.workers.iter().map(|worker| worker.polls).sum();
        assert!(polls >= 200);
        assert_eq!(sum("worker_polls", "worker_polls_total"), polls as f64);
        assert_eq!(
            sum("worker_poll_seconds", "worker_poll_seconds_count"),
            polls as f64
        );
        assert_eq!(families["yamanote_worker_parks"].samples.len(), workers);
        assert_eq!(
            families["yamanote_worker_busy_seconds"].unit.as_deref(),
            Some("seconds")
        );
        assert_eq!(
            families["yamanote_kernel_copied_bytes"].unit.as_deref(),
            Some("bytes")
        );
    }
}

/// A runtime's name is in each sample, whatever it is made of.
#[test]
fn a_name_becomes_a_label() {
    const NAME: &str = "a \"b\" c:\\d\ne{},=";
    let rt = busy_runtime(Builder::new_current_thread().name(NAME));
    for (name, family) in parse(&rt.metrics().to_openmetrics()) {
        for (_, labels, _) in family.samples {
            assert!(
                labels.contains(&("runtime".to_owned(), NAME.to_owned())),
                "{name}"
            );
        }
    }
}

/// If no poll is timed, there is no histogram.
#[test]
fn what_is_not_measured_is_not_told() {
    let rt = Builder::new_current_thread()
        .poll_times(PollTimes::Off)
        .build()
        .unwrap();
    let families = parse(&rt.metrics().to_openmetrics());
    assert!(!families.contains_key("yamanote_worker_poll_seconds"));
}

/// The dashboard and its page name no metric that does not exist, and the page leaves none out.
#[test]
fn the_dashboard_and_the_page_name_what_there_is() {
    let docs = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs");
    let names_in = |file: &str| -> BTreeSet<String> {
        let text = std::fs::read_to_string(format!("{docs}/{file}")).unwrap();
        let words = text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
        words
            .filter(|word| word.starts_with("yamanote_"))
            .map(str::to_owned)
            .collect()
    };
    let there = sample_names();
    for file in ["dashboards/grafana.json", "metrics.md"] {
        let unknown = Vec::from_iter(names_in(file).difference(&there).cloned());
        assert!(unknown.is_empty(), "{file} names {unknown:?}");
    }
    let untold = Vec::from_iter(there.difference(&names_in("metrics.md")).cloned());
    assert!(untold.is_empty(), "metrics.md does not name {untold:?}");
}
