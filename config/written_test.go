package config_test

// Misspelt keys, and the right ones with other values.
const besideTheRightKey = `  tags: {environment: try, team: web}
  tagz: {team: core, cost: a}
  keepRecords: refuse
  keeprecord: false
  private-ec2-acess:keepRecords: true
  network: {cidrBlock: 10.30.0.0/16}
  netwrok: {cidrBlock: 10.40.0.0/16, availabilityZoneCount: 3}
  cidrBlock: 10.50.0.0/16
`

// Mistakes that depend on how a stack's file is written, by the lines under
// config that have them.
var written = map[string]string{
	"written-octal":                 "  private-ec2-access:tags: {cc: 0123}\n",
	"written-account":               "  private-ec2-access:tags:\n    account: 012345678901\n",
	"written-date":                  "  private-ec2-access:tags: {day: 2026-01-31}\n",
	"written-version":               "  private-ec2-access:tags: {ver: 1.10}\n",
	"written-boolean":               "  private-ec2-access:tags: {on: True}\n",
	"written-hexadecimal":           "  private-ec2-access:tags: {id: 0x7E8}\n",
	"written-underscore":            "  private-ec2-access:tags: {id: 1_000}\n",
	"written-long-number":           "  private-ec2-access:tags: {id: 12345678901234567890123}\n",
	"written-key":                   "  private-ec2-access:tags: {0123: cc}\n",
	"written-number-for-a-number":   "  private-ec2-access:instance:\n    volumeSize: 010\n",
	"written-list":                  "  private-ec2-access:logging:\n    earlierLocations: [0123]\n",
	"written-choice":                "  private-ec2-access:keepRecords: 0123\n",
	"written-text-of-aws":           "  aws:secretKey: 0123\n",
	"written-allowed-accounts":      "  aws:allowedAccountIds: [012345678901]\n",
	"written-through-an-anchor":     "  private-ec2-access:tags: {a: &number 0123, b: *number}\n",
	"written-in-a-key-with-a-dot":   "  private-ec2-access:network.cidrblock: 10.30.0.0/16\n",
	"dotted-key-of-no-group":        "  private-ec2-access:what.ever: x\n",
	"dotted-key-of-a-tag":           "  private-ec2-access:tags.team: web\n",
	"dotted-key-of-a-group":         "  private-ec2-access:sesion.shellProfile.linux: date\n",
	"region-in-capitals":            "  aws:region: US-EAST-2\n",
	"region-with-a-blank":           "  aws:region: 'us-east-2 '\n",
	"region-of-a-zone":              "  aws:region: us-east-2a\n",
	"region-unsupported":            "  aws:region: eu-isoe-west-1\n",
	"region-of-no-shape":            "  aws:region: Ohio\n",
	"instance-misspelt-throughout":  "  private-ec2-access:instances:\n    Data_Base: {instanceTyp: t4g.small, volumeSize: big}\n    web: {tags: {a: 1}}\n",
	"region-misspelt":               "  aws:region: us-esat-2\n  private-ec2-access:network:\n    cidrBlock: 10.20.0.0/30\n    availabilityZoneCount: two\n",
	"tag-key-with-a-dot":            "  private-ec2-access:tags: {'cost.center!': x}\n",
	"tag-key-with-quotes":           "  private-ec2-access:tags: {'a\"b''c': x}\n",
	"level-of-instances":            "  instances:\n  app: {}\n  db: {instanceType: t4g.small}\n",
	"level-of-instances-empty":      "  instances:\n  app:\n",
	"level-of-an-instance-alone":    "  app: {}\n",
	"level-of-instance-keys":        "  instances:\n    app:\n    instanceType: t4g.small\n",
	"level-of-fleets":               "  fleets:\n  web: {count: 3}\n",
	"level-of-fleet-keys":           "  fleets:\n    web:\n    count: 3\n",
	"level-of-operators":            "  operators:\n  dba: {mfa: true}\n",
	"level-of-tags":                 "  tags:\n  team: web\n",
	"level-of-group-keys":           "  logging:\n  cloudWatch: true\n  encryption: kms\n",
	"level-of-nested-group-keys":    "  session:\n    shellProfile:\n    linux: date\n",
	"level-of-group-keys-alone":     "  cidrBlock: 10.30.0.0/16\n  encryption: kms\n",
	"level-outside-config":          "logging:\n  cloudWatch: true\nkeepRecords: refuse\naws:maxRetries: 5\nfleets: {web: {count: 3}}\n",
	"level-outside-of-instances":    "  instances:\n    app: {}\ndb: {instanceType: t4g.small}\ncloudWatch: true\n",
	"namespace-misspelt":            "  private-ec2-acess:keepRecords: refuse\n  private_ec2_access:tags: {team: web}\n  pulumi:logging: {cloudWatch: true}\n  asw:maxRetries: 5\n  access:session: {adopt: false}\n",
	"misspelt-beside-the-right-key": besideTheRightKey,
	"misspelt-lists":                "  network: {vpcId: vpc-0123456789abcdef0, subnetids: [subnet-0aaaaaaaaaaaaaaaa, subnet-0bbbbbbbbbbbbbbbb]}\n  logging: {writerRoleArn: 'arn:aws:iam::111122223333:role/a'}\n  alerts: {topicArn: '', email: team@example.com}\n",
	"key-in-two-forms":              "  keepRecords: true\n  private-ec2-access:keepRecords: false\n  tags: {a: b}\n  private-ec2-access:config:tags: {a: b}\n",
	"key-misspelt-above-and-below":  "  loging: {cloudwatch: true}\n  netwrok: {vpcID: vpc-0123456789abcdef0}\n  fleet: {web: {count: 2, size: t4g.nano}}\n  shellProfile: {bash: cd}\n",
	"key-with-a-dot-in-both-forms":  "  private-ec2-access:logging.keyPrefix: logs\n  logging: {keyPrefix: shells}\n",
	"level-too-deep":                "  logging: {keepRecords: true}\n  instances: {app: {keepRecords: refuse}}\n  private-ec2-access:session.keepRecords: 'true'\n",
	"mapping-empty":                 "  tags:\n",
	"mapping-of-tags-a-list":        "  tags: [a]\n",
	"mapping-of-fleets-a-list":      "  fleets: [web]\n",
	"mapping-of-existing-a-list":    "  existingInstances: [i-0123456789abcdef0]\n",
	"mapping-of-an-instance-a-text": "  instances:\n    app: t4g.small\n",
	"default-tags":                  "  private-ec2-access:tags: {Env: x}\n  aws:defaultTags: {tags: {env: y}}\n",
}
