"""What requests and answers look like: requests refuse unknown fields, answers are explicit allow-lists."""
