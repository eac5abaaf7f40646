//! The founding plan: what survives the file, what is refused, and how it is compared with a cluster file.

use std::path::Path;

use cluster_config::{ClusterConfig, FoundingPlan, GroupPlan, Labels, NodePlan, PlanError, Role, ShelfPlan, place};
use mail_model::{ClusterId, NodeId, ReplicaId, ShelfId};

fn node(number: u8) -> NodePlan {
    NodePlan {
        id: NodeId([number; 16]),
        name: format!("n{number}"),
        shelves: vec![ShelfPlan {
            id: ShelfId([number + 100; 16]),
            name: "shelf1".to_owned(),
            labels: Labels {
                rack: Some(format!("r{number}")),
                ..Labels::default()
            },
        }],
    }
}

fn three() -> (Vec<NodePlan>, Vec<GroupPlan>, ReplicaId) {
    let nodes = vec![node(1), node(2), node(3)];
    let mut next = ReplicaId(1);
    let groups = place(&FoundingPlan::spots(&nodes), 2, 3, &mut next);
    (nodes, groups, next)
}

fn new(nodes: &[NodePlan], groups: &[GroupPlan], next: ReplicaId) -> Result<FoundingPlan, PlanError> {
    let name = "example".parse().unwrap();
    let cluster = (ClusterId([9; 16]), &name);
    FoundingPlan::new(cluster, "sealed".to_owned(), nodes.to_vec(), groups.to_vec(), next)
}

#[test]
fn a_plan_reads_back_from_its_file() {
    let (nodes, groups, next) = three();
    let plan = new(&nodes, &groups, next).unwrap();
    let text = plan.to_toml().unwrap();
    assert_eq!(FoundingPlan::from_toml(&text).unwrap(), plan);

    let later = text.replacen("version = 1", "version = 2\nnovelty = 1", 1);
    assert_eq!(FoundingPlan::from_toml(&later), Err(PlanError::Version(2)));
    let odd = text.replacen("version = 1", "version = 1\nnovelty = 1", 1);
    assert!(matches!(FoundingPlan::from_toml(&odd), Err(PlanError::Syntax(_))));
    assert!(matches!(
        FoundingPlan::from_toml(&text[..text.len() / 2]),
        Err(PlanError::Syntax(_))
    ));
    let dir = tempfile::tempdir().unwrap();
    assert!(matches!(FoundingPlan::load(dir.path()), Err(PlanError::Read { .. })));
}

#[test]
fn a_plan_whose_parts_do_not_fit_is_refused() {
    let (nodes, groups, next) = three();
    let inconsistent = |nodes: &[NodePlan], groups: &[GroupPlan], next| match new(nodes, groups, next) {
        Err(PlanError::Inconsistent(detail)) => detail,
        other => panic!("{other:?}"),
    };
    assert!(inconsistent(&nodes, &groups, ReplicaId(next.0 - 1)).contains("given twice"));
    assert!(inconsistent(&nodes[..2], &groups, next).contains("on no shelf"));
    assert!(inconsistent(&[node(1), node(1)], &groups, next).contains("node n1 is listed twice"));
    assert!(inconsistent(&nodes, &groups[1..], next).contains("no system group"));
    let twice = [&groups[..], &groups[..1]].concat();
    assert!(inconsistent(&nodes, &twice, next).contains("group 0 is listed twice"));
    let mut crowded = groups.clone();
    crowded[1].replicas[1].shelf = crowded[1].replicas[0].shelf;
    crowded[1].replicas[1].node = crowded[1].replicas[0].node;
    assert!(inconsistent(&nodes, &crowded, next).contains("two replicas on shelf"));
    let mut idle = groups.clone();
    idle[2].replicas[0].role = Role::Learner;
    assert!(inconsistent(&nodes, &idle, next).contains("does not start with a voter"));
}

#[test]
fn a_cluster_file_that_says_otherwise_is_told_line_by_line() {
    let (nodes, groups, next) = three();
    let plan = new(&nodes, &groups, next).unwrap();
    let table = |name: &str, id: &str, shelf: &str| {
        format!(
            "[[node]]\nname = \"{name}\"\nhost = \"{name}\"\nstate_dir = \"{name}\"\n{id}\n\
             [[node.shelf]]\nname = \"{shelf}\"\npath = \"{name}/{shelf}\"\n"
        )
    };
    let config = |tables: &[String]| {
        let head = "[cluster]\nname = \"example\"\n[service]\nnames = [\"mail.example.org\"]\n";
        ClusterConfig::parse(Path::new("/c/cluster.toml"), &format!("{head}{}", tables.concat())).unwrap()
    };
    let same = ["n1", "n2", "n3"].map(|name| table(name, "", "shelf1"));
    assert!(plan.differences(&config(&same)).is_empty());
    let id = format!("id = \"{}\"", NodeId([7; 16]));
    let other = [
        table("n1", &id, "shelf1"),
        table("n2", "", "shelf2"),
        table("n4", "", "shelf1"),
    ];
    assert_eq!(
        plan.differences(&config(&other)),
        [
            format!("node n1 was founded as {}", NodeId([1; 16])),
            "node n2: shelf shelf2 is not in the plan".to_owned(),
            "node n2: shelf shelf1 is in the plan only".to_owned(),
            "node n4 is not in the plan".to_owned(),
            "node n3 is in the plan only".to_owned(),
        ]
    );
}
