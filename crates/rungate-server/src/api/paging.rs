//! Lists in pages: by cursor, or by page number for clients that count. Both walk the same keyset.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rungate_core::code::Code;
use rungate_core::page::{Order, Page, PageRequest, Position};
use rungate_core::ports::StoreError;
use rungate_core::time::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::error::ApiError;
use super::params::Params;

/// The largest page.
pub const MAX_PAGE: usize = 200;
const DEFAULT_LIMIT: usize = 50;
const DEFAULT_PAGE_SIZE: usize = 20;
/// Items that are walked over to reach a page by number; above, a cursor is the way.
const MAX_WALK: usize = 100_000;

/// Which part of a list was asked for, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Paging {
    list: Cow<'static, str>,
    limit: usize,
    order: Order,
    start: Start,
    since: Option<Timestamp>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Start {
    Page(usize),
    After(Position),
}

/// The paging parameters of every list, for the API description.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "describes parameters that Paging reads")]
pub struct PagingParams {
    /// Items of a page, 1 to 200; default 50.
    limit: Option<u32>,
    /// The `nextCursor` of the page before.
    cursor: Option<String>,
    /// The page, from 1; not together with `cursor`.
    page: Option<u32>,
    /// Items of a page, 1 to 200; default 20 with `page`.
    #[param(rename = "pageSize")]
    page_size: Option<u32>,
}

/// A page of a list on the wire.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct List<T> {
    /// The items.
    pub data: Vec<T>,
    /// How many there are in all pages; null where that is not counted.
    pub total: Option<u64>,
    /// The number of this page; null once a cursor was followed.
    pub page: Option<usize>,
    /// Items of a page.
    pub page_size: usize,
    /// Whether there is a further page.
    pub has_more: bool,
    /// Asks for the next page; null at the end.
    pub next_cursor: Option<String>,
}

/// A cursor in the open: opaque to clients, bound to the list that made it.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Cursor {
    list: String,
    at: i64,
    id: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    since: Option<i64>,
}

impl Paging {
    /// Reads `limit`, `cursor`, `page` and `pageSize`. `list` names the list, so that a cursor of another is refused.
    pub fn read(params: &Params, list: impl Into<Cow<'static, str>>) -> Result<Self, ApiError> {
        let list = list.into();
        let limit = size(params, "limit")?;
        let page_size = size(params, "pageSize")?;
        let page = params.parse::<usize>("page", "must be a whole number from 1")?;
        if page == Some(0) {
            return Err(ApiError::field("page", "range", "must be a whole number from 1"));
        }
        let cursor = params.get("cursor");
        let counts = page.is_some() || page_size.is_some();
        if counts && (cursor.is_some() || limit.is_some()) {
            let rule = "page and pageSize cannot be mixed with limit and cursor";
            return Err(ApiError::field("page", "conflict", rule));
        }
        let default = if counts { DEFAULT_PAGE_SIZE } else { DEFAULT_LIMIT };
        let (start, since) = match cursor {
            Some(cursor) => {
                let Cursor { at, id, since, .. } = open_cursor(&list, cursor)?;
                (Start::After(Position { at, id }), since.map(Timestamp::from_micros))
            }
            None => (Start::Page(page.unwrap_or(1)), None),
        };
        let limit = limit.or(page_size).unwrap_or(default);
        Ok(Self { list, limit, order: Order::Desc, start, since })
    }

    /// The start of a window that nobody named: `default`, or where the first page had it. A window that moved on
    /// from page to page would drop items that were promised.
    pub fn since(&mut self, default: Timestamp) -> Timestamp {
        *self.since.get_or_insert(default)
    }

    /// 400 when the cursor names an item by something else than a UUID, in a list whose items have one: somebody
    /// changed it, and stores need not cope with that.
    pub fn check_uuid(&self) -> Result<(), ApiError> {
        match &self.start {
            Start::After(position) if Uuid::try_parse(&position.id).is_err() => Err(invalid_cursor()),
            _ => Ok(()),
        }
    }

    /// The same part of the list in another direction.
    #[must_use]
    pub fn ordered(mut self, order: Order) -> Self {
        self.order = order;
        self
    }

    /// Items of a page.
    pub const fn limit(&self) -> usize {
        self.limit
    }

    /// Fetches the page. `fetch` answers one keyset page; page numbers are reached by walking.
    pub async fn fetch<T, Fetching>(
        &self,
        fetch: impl Fn(PageRequest) -> Fetching,
    ) -> Result<Page<T>, ApiError>
    where
        Fetching: Future<Output = Result<Page<T>, StoreError>>,
    {
        let mut after = match &self.start {
            Start::After(position) => Some(position.clone()),
            Start::Page(number) => {
                match skip(&fetch, (number - 1).saturating_mul(self.limit), self.order).await? {
                    Skipped::To(after) => after,
                    Skipped::PastTheEnd => return Ok(Page::empty()),
                }
            }
        };
        let request = PageRequest { limit: self.limit, after: after.take(), order: self.order };
        Ok(fetch(request).await?)
    }

    /// Puts a page on the wire.
    pub fn list<T>(&self, page: Page<T>, total: Option<u64>) -> List<T> {
        List {
            total,
            page: match self.start {
                Start::Page(number) => Some(number),
                Start::After(_) => None,
            },
            page_size: self.limit,
            has_more: page.next.is_some(),
            next_cursor: page.next.map(|position| seal_cursor(&self.list, position, self.since)),
            data: page.items,
        }
    }
}

enum Skipped {
    To(Option<Position>),
    PastTheEnd,
}

/// Walks over `count` items.
async fn skip<T, Fetching>(
    fetch: impl Fn(PageRequest) -> Fetching,
    count: usize,
    order: Order,
) -> Result<Skipped, ApiError>
where
    Fetching: Future<Output = Result<Page<T>, StoreError>>,
{
    if count > MAX_WALK {
        let rule = format!("pages beyond {MAX_WALK} items are reached with cursor");
        return Err(ApiError::field("page", "range", rule));
    }
    let (mut left, mut after) = (count, None);
    while left > 0 {
        let step = left.min(MAX_PAGE);
        let page = fetch(PageRequest { limit: step, after: after.take(), order }).await?;
        let Some(next) = page.next else { return Ok(Skipped::PastTheEnd) };
        after = Some(next);
        left -= step;
    }
    Ok(Skipped::To(after))
}

fn size(params: &Params, name: &str) -> Result<Option<usize>, ApiError> {
    let allowed = "must be a whole number from 1 to 200";
    match params.parse::<usize>(name, allowed)? {
        Some(size) if !(1..=MAX_PAGE).contains(&size) => Err(ApiError::field(name, "range", allowed)),
        size => Ok(size),
    }
}

fn seal_cursor(list: &str, Position { at, id }: Position, since: Option<Timestamp>) -> String {
    let cursor = Cursor { list: list.to_owned(), at, id, since: since.map(Timestamp::micros) };
    URL_SAFE_NO_PAD.encode(serde_json::to_vec(&cursor).unwrap_or_default())
}

fn open_cursor(list: &str, text: &str) -> Result<Cursor, ApiError> {
    let cursor: Option<Cursor> =
        URL_SAFE_NO_PAD.decode(text).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok());
    match cursor {
        Some(cursor) if cursor.list == list => Ok(cursor),
        _ => Err(invalid_cursor()),
    }
}

fn invalid_cursor() -> ApiError {
    ApiError::new(Code::InvalidCursor, "this cursor does not belong to this list").at("cursor")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(params: impl Into<Params>) -> Result<Paging, Code> {
        Paging::read(&params.into(), "keys").map_err(|error| error.code())
    }

    #[test]
    fn w_009_cursors_belong_to_their_list_and_exclude_pages() {
        let position = Position { at: 7, id: "a".to_owned() };
        let cursor = seal_cursor("keys", position.clone(), None);
        assert_eq!(read([("cursor", &*cursor)]).unwrap().start, Start::After(position.clone()));
        assert_eq!(read([("cursor", &*cursor), ("page", "1")]), Err(Code::InvalidRequest));
        assert_eq!(read([("cursor", &*seal_cursor("agents", position, None))]), Err(Code::InvalidCursor));
        assert_eq!(read([("cursor", &cursor[1..])]), Err(Code::InvalidCursor));
    }

    #[test]
    fn w_009_a_cursor_that_was_changed_is_refused() {
        let check = |id: &str| {
            let cursor = seal_cursor("keys", Position { at: 7, id: id.to_owned() }, None);
            Paging::read(&[("cursor", &*cursor)].into(), "keys").unwrap().check_uuid()
        };
        assert!(check("018f7f83-2a7a-7f1a-9b2f-2f2b21e8a001").is_ok());
        assert_eq!(check("a").unwrap_err().code(), Code::InvalidCursor);
    }

    #[test]
    fn w_009_a_window_starts_on_each_page_where_it_started_on_the_first() {
        let params = |cursor: &str| Paging::read(&Params::from([("cursor", cursor)]), "keys").unwrap();
        let mut first = Paging::read(&Params::default(), "keys").unwrap();
        let (start, later) = (Timestamp::from_micros(5), Timestamp::from_micros(9));
        assert_eq!(first.since(start), start);
        let next = Position { at: 7, id: "a".to_owned() };
        let cursor = first.list(Page { items: vec![()], next: Some(next) }, None).next_cursor.unwrap();
        assert_eq!(params(&cursor).since(later), start);
    }

    #[test]
    fn w_095_sizes_have_defaults_and_bounds() {
        assert_eq!(read([]).unwrap().limit, 50);
        assert_eq!(read([("page", "2")]).unwrap().limit, 20);
        assert_eq!(read([("pageSize", "200")]).unwrap().limit, 200);
        for bad in [("pageSize", "201"), ("limit", "0"), ("limit", "x"), ("page", "0")] {
            assert_eq!(read([bad]), Err(Code::InvalidRequest), "{bad:?}");
        }
    }
}
