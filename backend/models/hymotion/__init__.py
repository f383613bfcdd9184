"""HY-Motion-1.0 (Tencent): a flow-matching transformer over motion and text tokens."""
