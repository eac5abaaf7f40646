//! Random histories of the directory, checked after every command, and what a reader may see while it changes.

use std::collections::{BTreeMap, BTreeSet};

use mail_model::{AccountId, Address, Domain, GroupId};
use proptest::prelude::*;
use shelf::{KeyRange, StateView};

use super::command::{
    ActivateAccount, AddAccount, AddAddress, AddAlias, AddDomain, AddDomainAlias, DirectoryCommand, DisableAccount,
    EnableAccount, Outcome, PolicyChange, RemoveAccount, RemoveAddress, RemoveAlias, RemoveDomain, RemoveDomainAlias,
    SetCatchAll, SetCredentials, SetPolicy,
};
use super::key;
use super::naming;
use super::query::{LoginReply, Reply, Request, Resolution};
use super::record::{Account, AccountState, Alias, DomainKind, DomainRecord, Group, RemovedAccount, Target};
use super::rejection::Rejection;
use super::rows;
use super::testing::{Replica, address, ask, credential, domain, resolve};

// Few names, so that commands of one history meet each other.
const DOMAINS: [&str; 2] = ["a.org", "b.org"];
const LOCALS: [&str; 3] = ["ann", "ann+x", "postmaster"];

fn any_domain() -> impl Strategy<Value = Domain> + Clone {
    prop::sample::select(DOMAINS.as_slice()).prop_map(domain)
}

fn any_address() -> impl Strategy<Value = Address> + Clone {
    let local = prop::sample::select(LOCALS.as_slice());
    (local, any_domain()).prop_map(|(local, domain)| Address::of(local, domain).expect("an address"))
}

fn any_account() -> impl Strategy<Value = AccountId> + Clone {
    (1..5u64).prop_map(AccountId)
}

fn any_target() -> impl Strategy<Value = Target> + Clone {
    prop_oneof![
        any_address().prop_map(Target::Address),
        any_account().prop_map(Target::Account)
    ]
}

fn any_targets() -> impl Strategy<Value = Vec<Target>> + Clone {
    prop::collection::vec(any_target(), 0..3)
}

fn any_account_command() -> impl Strategy<Value = DirectoryCommand> {
    let add = any_address().prop_map(|address| AddAccount {
        address,
        credentials: vec![credential("x")],
        quota_bytes: None,
    });
    let own_address = (any_account(), any_address());
    prop_oneof![
        3 => add.prop_map(DirectoryCommand::from),
        2 => any_account().prop_map(|account| ActivateAccount { account }).prop_map(DirectoryCommand::from),
        1 => any_account().prop_map(|account| DisableAccount { account }).prop_map(DirectoryCommand::from),
        1 => any_account().prop_map(|account| EnableAccount { account }).prop_map(DirectoryCommand::from),
        2 => any_account().prop_map(|account| RemoveAccount { account }).prop_map(DirectoryCommand::from),
        2 => own_address.clone().prop_map(|(account, address)| AddAddress { account, address }).prop_map(DirectoryCommand::from),
        1 => own_address.prop_map(|(account, address)| RemoveAddress { account, address }).prop_map(DirectoryCommand::from),
        1 => any_account()
            .prop_map(|account| SetCredentials { account, credentials: vec![credential("y")] })
            .prop_map(DirectoryCommand::from),
    ]
}

fn any_naming_command() -> impl Strategy<Value = DirectoryCommand> {
    let alias = (any_address(), any_targets());
    let maybe_target = prop::option::of(any_target());
    prop_oneof![
        4 => alias.clone().prop_map(|(address, targets)| AddAlias { address, targets }).prop_map(DirectoryCommand::from),
        1 => alias.prop_map(|(address, targets)| RemoveAlias { address, targets }).prop_map(DirectoryCommand::from),
        1 => (any_domain(), maybe_target.clone())
            .prop_map(|(domain, target)| SetCatchAll { domain, target })
            .prop_map(DirectoryCommand::from),
        1 => maybe_target
            .prop_map(|target| SetPolicy { changes: vec![PolicyChange::Postmaster(target)] })
            .prop_map(DirectoryCommand::from),
    ]
}

fn any_domain_command() -> impl Strategy<Value = DirectoryCommand> {
    prop_oneof![
        3 => any_domain().prop_map(|domain| AddDomain { domain }).prop_map(DirectoryCommand::from),
        1 => any_domain().prop_map(|domain| RemoveDomain { domain }).prop_map(DirectoryCommand::from),
        1 => (any_domain(), any_domain()).prop_map(|(alias, of)| AddDomainAlias { alias, of }).prop_map(DirectoryCommand::from),
        1 => any_domain().prop_map(|alias| RemoveDomainAlias { alias }).prop_map(DirectoryCommand::from),
        1 => (any_domain(), any::<bool>())
            .prop_map(|(domain, on)| SetPolicy { changes: vec![PolicyChange::Detail { domain, on }] })
            .prop_map(DirectoryCommand::from),
    ]
}

fn any_command() -> impl Strategy<Value = DirectoryCommand> {
    prop_oneof![4 => any_account_command(), 3 => any_naming_command(), 1 => any_domain_command()]
}

/// All rows of a table by what their key says.
fn table<K: Ord, T: for<'b> minicbor::Decode<'b, ()>>(
    view: &StateView,
    table: &[u8],
    read: impl Fn(&[u8]) -> Option<K>,
) -> BTreeMap<K, T> {
    let found = rows::list(view, &KeyRange::prefix(table), usize::MAX).expect("decodes");
    found
        .into_iter()
        .map(|(row, record)| (read(&row).expect("a key"), record))
        .collect()
}

fn accounts(view: &StateView) -> BTreeMap<AccountId, Account> {
    table(view, key::ACCOUNTS, |row| key::last_u64(row).map(AccountId))
}

/// Rows that a scan of the raw keys finds under a table, for tables whose values say nothing.
fn keys(view: &StateView, table: &[u8]) -> BTreeSet<Vec<u8>> {
    let mut found = BTreeSet::new();
    let mut visit = |row: &[u8], _: &[u8]| {
        found.insert(row.to_vec());
        std::ops::ControlFlow::Continue(())
    };
    view.scan(&KeyRange::prefix(table), &mut visit).expect("scans");
    found
}

/// Everything that must hold between rows.
fn check(view: &StateView) {
    let accounts = accounts(view);
    let aliases: BTreeMap<Address, Alias> = table(view, key::ALIASES, |row| key::address_of(key::ALIASES, row));
    check_addresses(view, &accounts, &aliases);
    check_naming(view, &aliases);
    let removed: BTreeMap<u64, RemovedAccount> = table(view, key::REMOVED, key::last_u64);
    assert!(
        accounts.keys().all(|id| !removed.contains_key(&id.0)),
        "both there and removed"
    );
    let next = rows::cluster(view).expect("reads").expect("founded").next_account.0;
    let given: BTreeSet<_> = accounts.keys().map(|id| id.0).chain(removed.into_keys()).collect();
    assert_eq!(given, (1..next).collect(), "an id was skipped, lost or given twice");
    let groups: BTreeMap<u32, Group> = table(view, key::GROUPS, key::last_u32);
    for (id, group) in groups {
        let lives = accounts.values().filter(|account| account.group == GroupId(id)).count();
        assert_eq!(group.accounts, lives as u64, "group {id}");
    }
}

fn check_addresses(view: &StateView, accounts: &BTreeMap<AccountId, Account>, aliases: &BTreeMap<Address, Alias>) {
    let mut listed = BTreeSet::new();
    for (id, account) in accounts {
        assert!(account.primary().is_some(), "account {id} has no address");
        for address in &account.addresses {
            assert_eq!(rows::owner(view, address).expect("reads"), Some(*id), "{address}");
            assert!(
                listed.insert(key::address(address)),
                "{address} belongs to two accounts"
            );
            assert!(!aliases.contains_key(address), "{address} is an alias, too");
        }
    }
    assert_eq!(keys(view, key::ADDRESSES), listed, "an address leads to nobody");
    let domains: BTreeMap<String, DomainRecord> = table(view, key::DOMAINS, |row| {
        key::domain_of(row).map(|domain| domain.to_string())
    });
    let used = accounts
        .values()
        .flat_map(|account| &account.addresses)
        .chain(aliases.keys());
    for address in used {
        let kind = &domains[address.domain().as_str()].kind;
        assert!(
            matches!(kind, DomainKind::Own { .. }),
            "{address} lies in a domain alias"
        );
    }
    let mut other_names = BTreeSet::new();
    for (name, record) in &domains {
        if let DomainKind::AliasOf(of) = &record.kind {
            assert!(
                matches!(domains[of.as_str()].kind, DomainKind::Own { .. }),
                "{name} leads nowhere"
            );
            other_names.insert(key::domain_alias(of, &domain(name)));
        }
    }
    assert_eq!(keys(view, key::DOMAIN_ALIASES), other_names);
}

/// Every namer has its rows, no row is left over, and what is named exists.
fn check_naming(view: &StateView, aliases: &BTreeMap<Address, Alias>) {
    let mut named: Vec<(Target, String, u8)> = Vec::new();
    for (address, alias) in aliases {
        assert!(!alias.targets.is_empty(), "{address} names nobody");
        named.extend(
            alias
                .targets
                .iter()
                .map(|target| (target.clone(), address.to_string(), 1)),
        );
    }
    let domains: BTreeMap<String, DomainRecord> = table(view, key::DOMAINS, |row| {
        key::domain_of(row).map(|domain| domain.to_string())
    });
    for (name, record) in domains {
        if let DomainKind::Own {
            catch_all: Some(target),
            ..
        } = record.kind
        {
            named.push((target, name, 2));
        }
    }
    let postmaster = rows::policy(view).expect("reads").postmaster;
    named.extend(postmaster.map(|target| (target, String::new(), 3)));
    let mut expected = BTreeSet::new();
    for (target, namer, kind) in named {
        let exists = match &target {
            Target::Account(id) => rows::account(view, *id).expect("reads").is_some(),
            Target::Address(address) => {
                rows::owner(view, address).expect("reads").is_some() || aliases.contains_key(address)
            }
        };
        assert!(exists, "{namer} names {target}, which does not exist");
        expected.insert(key::named(&target, kind, &namer));
    }
    assert_eq!(keys(view, key::NAMED), expected);
}

/// Resolution of every address comes to an end, at active accounts, each once.
fn check_resolution(view: &StateView) {
    let accounts = accounts(view);
    for domain in DOMAINS {
        for local in LOCALS.iter().chain(&["nobody", "ann+y"]) {
            if let Resolution::Found(found) = resolve(view, &format!("{local}@{domain}")) {
                assert!(!found.is_empty());
                let ids: BTreeSet<_> = found.iter().map(|recipient| recipient.account).collect();
                assert_eq!(ids.len(), found.len(), "an account twice");
                for recipient in found {
                    let account = &accounts[&recipient.account];
                    assert_eq!((account.state, account.group), (AccountState::Active, recipient.group));
                }
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, ..ProptestConfig::default() })]

    #[test]
    fn no_history_leaves_a_dangling_address_or_gives_an_id_twice(
        commands in prop::collection::vec(any_command(), 1..120),
    ) {
        let mut replica = Replica::with_domain("a.org");
        let mut given = BTreeSet::new();
        for command in commands {
            // A refused command that wrote something is caught by the replica itself.
            if let Outcome::AccountAdded { account, resumed, .. } = replica.apply(command) {
                prop_assert!(given.insert(account) != resumed, "account {} was given twice", account);
            }
            check(&replica.view());
        }
        check_resolution(&replica.view());
    }

    #[test]
    fn bytes_that_are_no_command_are_refused_and_change_nothing(
        payload in prop::collection::vec(any::<u8>(), 0..64),
        versioned in any::<bool>(),
    ) {
        let mut replica = Replica::with_domain("a.org");
        let mut payload = payload;
        if versioned && !payload.is_empty() {
            payload[0] = 1;
        }
        replica.apply_payload(&payload);
        check(&replica.view());
    }

    #[test]
    fn bytes_that_are_no_question_get_an_answer(request in prop::collection::vec(any::<u8>(), 0..64)) {
        let view = Replica::with_domain("a.org").view();
        let reply = super::query::answer(&view, &request).expect("answers");
        prop_assert!(super::record::open::<Reply>(&reply).is_ok());
    }

    #[test]
    fn commands_read_back_as_they_were_sent(command in any_command()) {
        let sent = super::record::seal(&command);
        prop_assert_eq!(super::record::open::<DirectoryCommand>(&sent), Ok(command));
    }
}

#[test]
fn commands_of_version_1_stay_readable() {
    use super::record::golden::check;
    let account = AccountId(7);
    check(
        &DirectoryCommand::from(AddDomain { domain: domain("b.c") }),
        "018201818163622e63",
    );
    check(&DirectoryCommand::from(ActivateAccount { account }), "018206818107");
    let command = AddAccount {
        address: address("a@b.c"),
        credentials: vec![credential("v")],
        quota_bytes: None,
    };
    check(
        &DirectoryCommand::from(command),
        "018205818282616163622e63818264544553546176",
    );
    let changes = vec![PolicyChange::DefaultQuotaBytes(Some(5)), PolicyChange::Postmaster(None)];
    check(
        &DirectoryCommand::from(SetPolicy { changes }),
        "01821181818282018105820380",
    );
    let (address, targets) = (address("a@b.c"), vec![Target::Account(account)]);
    check(
        &DirectoryCommand::from(AddAlias { address, targets }),
        "01820e818282616163622e638182018107",
    );
    let added = Outcome::AccountAdded {
        account,
        group: GroupId(2),
        resumed: true,
    };
    check(&added, "018201830702f5");
    check(&Outcome::Rejected(Rejection::NoMailGroup), "01820281821180");
}

/// Incident i29, "rebuilding the directory broke authenticated sending": while commands change several rows at once, a
/// reader on another thread never sees half of one.
#[test]
fn i29_readers_see_the_old_directory_or_the_new_one() {
    let mut replica = Replica::with_domain("a.org");
    let account = replica.active("ann@a.org");
    let store = replica.store();
    let done = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        let reader = scope.spawn(|| {
            let mut views = 0u32;
            while !done.load(std::sync::atomic::Ordering::Acquire) || views == 0 {
                let view = store.state_view().expect("a view");
                check(&view);
                check_sending(&view, account);
                views += 1;
            }
            views
        });
        for n in 0..200 {
            let name = format!("gen{n}");
            let credentials = vec![credential(&name), credential(&name)];
            replica.done(SetCredentials { account, credentials });
            replica.also(account, "second@a.org");
            replica.alias("info@a.org", &["second@a.org"]);
            let address = address("info@a.org");
            replica.done(RemoveAlias {
                address,
                targets: Vec::new(),
            });
            let address = super::testing::address("second@a.org");
            replica.done(RemoveAddress { account, address });
        }
        done.store(true, std::sync::atomic::Ordering::Release);
        assert!(reader.join().expect("the reader saw one directory or the other") > 0);
    });
}

/// Log-in and sending agree with each other in one view, whichever it is.
fn check_sending(view: &StateView, account: AccountId) {
    let Reply::Login(LoginReply::Known(login)) = ask(view, &Request::Login("ann".to_owned())) else {
        panic!("log-in is gone")
    };
    assert_eq!(login.account, account);
    let values: BTreeSet<_> = login.credentials.iter().map(|credential| &credential.value).collect();
    assert_eq!(values.len(), 1, "credentials of two generations");
    let Reply::Identities(identities) = ask(view, &Request::Identities(account)) else {
        panic!("another answer")
    };
    for address in identities {
        let request = Request::MaySendAs { account, address };
        assert_eq!(ask(view, &request), Reply::MaySendAs(true), "{request:?}");
    }
}

/// The same, seen from before and after one command that touches five rows.
#[test]
fn i29_a_view_from_before_a_command_stays_whole() {
    let mut replica = Replica::with_domain("a.org");
    let account = replica.active("ann@a.org");
    replica.also(account, "ann.b@a.org");
    let before = replica.view();
    replica.done(RemoveAccount { account });
    for name in ["ann@a.org", "ann.b@a.org"] {
        assert!(matches!(resolve(&before, name), Resolution::Found(_)), "{name}");
        assert_eq!(replica.resolve(name), Resolution::NoSuchUser, "{name}");
    }
    check_sending(&before, account);
    check(&before);
    check(&replica.view());
}

#[test]
fn a_namer_that_changes_its_mind_leaves_no_row_behind() {
    let mut replica = Replica::with_domain("a.org");
    let ann = replica.active("ann@a.org");
    let bob = replica.active("bob@a.org");
    for target in [Some(ann), Some(bob), None] {
        let target = target.map(Target::Account);
        let changes = vec![PolicyChange::Postmaster(target.clone())];
        replica.done(SetPolicy { changes });
        let left: Vec<_> = keys(&replica.view(), key::NAMED).into_iter().collect();
        let expected: Vec<_> = target.iter().map(|target| key::named(target, 3, "")).collect();
        assert_eq!(left, expected);
    }
    assert!(naming::ensure_unnamed(&replica.view(), &Target::Account(bob)).is_ok());
}
