//! Files of vouchers that a browser gets: tables and sheets.

use std::rc::Rc;

use serde_json::{Value, json};

use super::command::{COLUMNS, row};
use super::sheet::sheet;
use super::{MOST_TOLD, Refused, csv, number, of_batch, short, to_json};
use crate::gateway::Gateway;

/// What stands on each voucher if a request does not say, as on the command line.
const TITLE: &str = "Wi-Fi";

/// The file that is asked for, as text in `file`. Others have their turns meanwhile.
///
/// # Errors
/// Why there is none.
pub(crate) async fn file(gateway: &Rc<Gateway>, request: &Value) -> Result<Value, Refused> {
    let Some(batch) = number(request, "batch")? else { return Err("batch is missing".to_owned().into()) };
    let text = match request["command"].as_str() {
        Some("voucher_sheet") => printable(gateway, batch, request).await?,
        _ => table(gateway, batch).await?,
    };
    Ok(json!({ "file": text }))
}

/// All vouchers of a batch.
async fn table(gateway: &Rc<Gateway>, batch: u32) -> Result<String, Refused> {
    let mut text = csv::line(&COLUMNS.map(str::to_owned));
    let mut told = of_batch(gateway, batch, 0, MOST_TOLD)?;
    while let Some(last) = told.last().map(|told| told.voucher.serial) {
        for voucher in &told {
            text.push_str("\r\n");
            text.push_str(&csv::line(&row(&to_json(gateway, voucher))));
        }
        tokio::task::yield_now().await;
        told = last.checked_add(1).map_or_else(Vec::new, |from| gateway.allowances.list(from, MOST_TOLD, Some(batch)));
    }
    text.push_str("\r\n");
    Ok(text)
}

/// Those that are new, of a page of the batch: pictures of a thousand would keep a small router busy for a while.
async fn printable(gateway: &Rc<Gateway>, batch: u32, request: &Value) -> Result<String, Refused> {
    let page = number(request, "page")?.unwrap_or(1).max(1);
    let title = Some(short(request, "title")?).filter(|title| !title.is_empty()).unwrap_or_else(|| TITLE.to_owned());
    let skip = usize::try_from(page - 1).unwrap_or(usize::MAX).saturating_mul(MOST_TOLD);
    let mut vouchers: Vec<Value> =
        of_batch(gateway, batch, skip, MOST_TOLD)?.iter().map(|told| to_json(gateway, told)).collect();
    vouchers.retain(|voucher| voucher["state"] == "new");
    if vouchers.is_empty() {
        return Err(Refused::missing(format!("there is no voucher that is new on page {page} of batch {batch}")));
    }
    let made = tokio::task::spawn_blocking(move || sheet(&title, &vouchers));
    made.await.map_err(|_| "the sheet was not made".to_owned().into())
}
