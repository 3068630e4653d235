//! The log: lines to standard error, without colour when it is no terminal, or objects of JSON.

use std::fmt;
use std::io::IsTerminal;

use config::{Config, Log, LogLevel};
use serde_json::{Map, Value};
use tokio::task::JoinHandle;
use tracing::field::{Field, Visit};
use tracing::{Event, Instrument, Level, Span, Subscriber, error_span};
use tracing_subscriber::fmt::format::{DefaultFields, Writer};
use tracing_subscriber::fmt::time::{FormatTime, SystemTime};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormattedFields};
use tracing_subscriber::registry::LookupSpan;

/// From here on, what is logged is written.
pub(crate) fn start(log: &Log) {
    let level = match log.level {
        LogLevel::Error => Level::ERROR,
        LogLevel::Warn => Level::WARN,
        LogLevel::Info => Level::INFO,
        LogLevel::Debug => Level::DEBUG,
        LogLevel::Trace => Level::TRACE,
    };
    let lines = tracing_subscriber::fmt().with_max_level(level).with_target(false).with_writer(std::io::stderr);
    if log.json {
        lines.with_ansi(false).event_format(Json).init();
    } else {
        lines.with_ansi(std::io::stderr().is_terminal()).init();
    }
}

/// A line as an object. Our own: tracing-subscriber's would name our one span, the zone, in a list of objects.
struct Json;

impl<S: Subscriber + for<'a> LookupSpan<'a>> FormatEvent<S, DefaultFields> for Json {
    fn format_event(
        &self,
        context: &FmtContext<'_, S, DefaultFields>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let mut fields = Fields::default();
        let mut time = String::new();
        SystemTime.format_time(&mut Writer::new(&mut time))?;
        fields.put("timestamp", time);
        fields.put("level", event.metadata().level().as_str());
        for span in context.event_scope().into_iter().flatten() {
            let extensions = span.extensions();
            let written = extensions.get::<FormattedFields<DefaultFields>>().map(|written| written.fields.as_str());
            fields.put(span.name(), written.and_then(|text| text.strip_prefix("name=")).unwrap_or_default());
        }
        event.record(&mut fields);
        writeln!(writer, "{}", Value::Object(fields.0))
    }
}

#[derive(Default)]
struct Fields(Map<String, Value>);

impl Fields {
    fn put(&mut self, name: &str, value: impl Into<Value>) {
        self.0.insert(name.to_owned(), value.into());
    }
}

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.put(field.name(), format!("{value:?}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.put(field.name(), value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.put(field.name(), value);
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.put(field.name(), value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.put(field.name(), value);
    }
}

/// What lines of this gateway have before them: the name of its zone, if there are zones.
pub(crate) fn zone(config: &Config) -> Span {
    if config.zone.is_empty() { Span::none() } else { error_span!("zone", name = %config.zone) }
}

/// Starts a task on the control thread whose lines are those of the zone that starts it.
pub(crate) fn spawn<T: 'static>(task: impl Future<Output = T> + 'static) -> JoinHandle<T> {
    tokio::task::spawn_local(task.in_current_span())
}
