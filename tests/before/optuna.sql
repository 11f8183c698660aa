BEGIN TRANSACTION;
CREATE TABLE alembic_version (
	version_num VARCHAR(32) NOT NULL, 
	CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)
);
INSERT INTO "alembic_version" VALUES('v3.2.0.a');
CREATE TABLE studies (
	study_id INTEGER NOT NULL, 
	study_name VARCHAR(512) NOT NULL, 
	PRIMARY KEY (study_id)
);
INSERT INTO "studies" VALUES(1,'small');
CREATE TABLE study_directions (
	study_direction_id INTEGER NOT NULL, 
	direction VARCHAR(8) NOT NULL, 
	study_id INTEGER NOT NULL, 
	objective INTEGER NOT NULL, 
	PRIMARY KEY (study_direction_id), 
	UNIQUE (study_id, objective), 
	FOREIGN KEY(study_id) REFERENCES studies (study_id)
);
INSERT INTO "study_directions" VALUES(1,'MINIMIZE',1,0);
CREATE TABLE study_system_attributes (
	study_system_attribute_id INTEGER NOT NULL, 
	study_id INTEGER, 
	"key" VARCHAR(512), 
	value_json TEXT, 
	PRIMARY KEY (study_system_attribute_id), 
	UNIQUE (study_id, "key"), 
	FOREIGN KEY(study_id) REFERENCES studies (study_id)
);
INSERT INTO "study_system_attributes" VALUES(1,1,'study:metric_names','["val_loss"]');
INSERT INTO "study_system_attributes" VALUES(2,1,'dashboard:note_ver','1');
INSERT INTO "study_system_attributes" VALUES(3,1,'dashboard:note_str:0','"`small.toml`\n\n```toml\n[data]\nsource = \"wine\"\nfolds = 1\n\n[objective]\nmetric = \"val_loss\"\nepochs = 3\n\n[budget]\ntrials = 6\n\n[confirm]\nconfigs = 2\nseeds = 3\n\n[search]\ndepth = { low = 1, high = 2 }\nwidth = { low = 4, high = 64 }\n\n```\n"');
CREATE TABLE study_user_attributes (
	study_user_attribute_id INTEGER NOT NULL, 
	study_id INTEGER, 
	"key" VARCHAR(512), 
	value_json TEXT, 
	PRIMARY KEY (study_user_attribute_id), 
	UNIQUE (study_id, "key"), 
	FOREIGN KEY(study_id) REFERENCES studies (study_id)
);
INSERT INTO "study_user_attributes" VALUES(1,1,'facts','{"n_inputs": 13, "n_outputs": 3, "n_rows": 113, "task": "classification"}');
INSERT INTO "study_user_attributes" VALUES(2,1,'identity','"{\"data.source\": \"wine\", \"data.task\": null, \"data.validation\": 0.2, \"data.test\": 0.2, \"data.folds\": 1, \"data.fingerprint\": \"25e3c2439e38ea0a\", \"objective.epochs\": 3, \"objective.metric\": \"val_loss\", \"study.seed\": 0, \"study.pruner\": \"gain\", \"study.precision\": \"32-true\", \"search.depth\": {\"low\": 1, \"high\": 2, \"log\": false}, \"search.width\": {\"low\": 4, \"high\": 64, \"log\": false}, \"search.activation\": {\"values\": [\"relu\", \"gelu\", \"silu\"]}, \"search.batch_normalization\": {\"values\": [true, false]}, \"search.normalization_batch_size\": {\"value\": null}, \"search.dropout\": {\"low\": 0.0, \"high\": 0.5, \"log\": false}, \"search.label_smoothing\": {\"value\": 0.0}, \"search.optimizer\": {\"values\": [\"adamw\", \"sgd\"]}, \"search.learning_rate\": {\"low\": 0.0001, \"high\": 0.03, \"log\": true}, \"search.momentum\": {\"value\": 0.9}, \"search.weight_decay\": {\"low\": 0.001, \"high\": 10.0, \"log\": true}, \"search.gradient_clipping\": {\"value\": null}, \"search.batch_size\": {\"values\": [32, 64, 128]}, \"search.schedule\": {\"values\": [\"constant\", \"lambda\", \"step\", \"multistep\", \"exponential\", \"plateau\", \"cosine\", \"onecycle\"]}, \"search.final_ratio\": {\"low\": 0.001, \"high\": 1.0, \"log\": true}, \"search.warmup\": {\"value\": 0.0}, \"search.drops\": {\"value\": 3}, \"search.patience\": {\"value\": 0.2}}"');
INSERT INTO "study_user_attributes" VALUES(3,1,'evaluation','"{\"epochs\":3,\"folds\":1,\"confirm_epochs\":3,\"final_epochs\":3}"');
INSERT INTO "study_user_attributes" VALUES(4,1,'budget_trials','6');
INSERT INTO "study_user_attributes" VALUES(5,1,'machine','{"processor": "AMD EPYC", "cores": "2", "GPUs": "none", "system": "Linux", "Python": "3.11.7", "tuner": "0.1.0", "torch": "2.13.0+cpu", "optuna": "5.0.0", "lightning": "2.6.6", "scikit-learn": "1.9.1", "numpy": "2.4.6"}');
INSERT INTO "study_user_attributes" VALUES(6,1,'seconds','1.17');
INSERT INTO "study_user_attributes" VALUES(7,1,'rate_range','"{\"rates\":[0.00001,0.00001562,0.00002438,0.00003808,0.00005946,0.00009284,0.000145,0.0002264,0.0003535,0.000552,0.000862,0.001346,0.002102,0.003282,0.005125,0.008003,0.0125,0.01951,0.03047,0.04758,0.0743,0.116,0.1812,0.2829,0.4417,0.6898,1.077,1.682,2.626,4.101,6.404,10.0],\"losses\":[1.229504,1.228864,1.227868,1.226311,1.223881,1.220091,1.214177,1.205003,1.19096,1.169153,1.135866,1.086123,1.013982,0.9132481,0.7825746,0.6301174,0.4840872,0.3513767,0.2075213,0.08178703,0.03474061,0.02797608,0.03589471,0.01669468,0.1323458,0.07457744,0.4053038,0.1564236,0.4554035,6.358468,0.2745962,7.93124],\"epochs\":3,\"low\":0.0125,\"high\":6.404,\"suggested\":0.0594663770546012}"');
INSERT INTO "study_user_attributes" VALUES(8,1,'test_openings','1');
INSERT INTO "study_user_attributes" VALUES(9,1,'confirmation','"{\"metric\":\"val_loss\",\"direction\":\"minimize\",\"seeds\":[590566679,930020647,2088172100],\"arms\":[{\"name\":\"modern default\",\"trial\":null,\"config\":{\"depth\":3,\"width\":256,\"activation\":\"relu\",\"batch_normalization\":true,\"normalization_batch_size\":null,\"dropout\":0.1,\"label_smoothing\":0.0,\"optimizer\":\"adamw\",\"learning_rate\":0.004,\"momentum\":0.9,\"weight_decay\":0.01,\"gradient_clipping\":null,\"batch_size\":128,\"epochs\":3,\"schedule\":\"cosine\",\"final_ratio\":0.01,\"warmup\":0.0,\"drops\":3,\"patience\":0.2},\"n_parameters\":136707,\"search\":null,\"search_epochs\":null,\"scores\":[0.1499812,0.2151932,0.1565887],\"tests\":[0.103205,0.125655,0.0795249],\"reason\":\"\",\"is_preset\":true,\"is_allowed\":false},{\"name\":\"trial 3\",\"trial\":3,\"config\":{\"depth\":1,\"width\":64,\"activation\":\"relu\",\"batch_normalization\":true,\"normalization_batch_size\":null,\"dropout\":0.2,\"label_smoothing\":0.0,\"optimizer\":\"adamw\",\"learning_rate\":0.004,\"momentum\":0.9,\"weight_decay\":0.041666666666666664,\"gradient_clipping\":null,\"batch_size\":64,\"epochs\":3,\"schedule\":\"cosine\",\"final_ratio\":0.01,\"warmup\":0.0,\"drops\":3,\"patience\":0.2},\"n_parameters\":1155,\"search\":0.810186,\"search_epochs\":3,\"scores\":[0.658879,0.8253307,0.7657524],\"tests\":[0.6502414,0.7862909,0.6855934],\"reason\":\"\",\"is_preset\":false,\"is_allowed\":true},{\"name\":\"trial 0\",\"trial\":0,\"config\":{\"depth\":2,\"width\":64,\"activation\":\"relu\",\"batch_normalization\":true,\"normalization_batch_size\":null,\"dropout\":0.1,\"label_smoothing\":0.0,\"optimizer\":\"adamw\",\"learning_rate\":0.004,\"momentum\":0.9,\"weight_decay\":0.08333333333333333,\"gradient_clipping\":null,\"batch_size\":128,\"epochs\":3,\"schedule\":\"cosine\",\"final_ratio\":0.01,\"warmup\":0.0,\"drops\":3,\"patience\":0.2},\"n_parameters\":5379,\"search\":0.7534715,\"search_epochs\":3,\"scores\":[0.7880151,0.8685629,0.6999965],\"tests\":[],\"reason\":\"\",\"is_preset\":false,\"is_allowed\":true},{\"name\":\"note\",\"trial\":null,\"config\":{\"depth\":1,\"width\":12,\"activation\":\"relu\",\"batch_normalization\":true,\"normalization_batch_size\":null,\"dropout\":0.0,\"label_smoothing\":0.0,\"optimizer\":\"sgd\",\"learning_rate\":0.001,\"momentum\":0.9,\"weight_decay\":0.008333333333333331,\"gradient_clipping\":null,\"batch_size\":32,\"epochs\":3,\"schedule\":\"lambda\",\"final_ratio\":0.8573749999999999,\"warmup\":0.0,\"drops\":3,\"patience\":0.2},\"n_parameters\":219,\"search\":null,\"search_epochs\":null,\"scores\":[0.9817002,1.418996,1.287512],\"tests\":[0.9280115,1.300327,1.228631],\"reason\":\"\",\"is_preset\":true,\"is_allowed\":true}],\"winner\":\"trial 3\",\"search_best\":0,\"test_metric\":\"test_loss\",\"test_openings\":1,\"seconds\":0.42222593600308755,\"select\":\"proven\",\"refit\":{\"config\":{\"depth\":1,\"width\":64,\"activation\":\"relu\",\"batch_normalization\":true,\"normalization_batch_size\":null,\"dropout\":0.2,\"label_smoothing\":0.0,\"optimizer\":\"adamw\",\"learning_rate\":0.004,\"momentum\":0.9,\"weight_decay\":0.041666666666666664,\"gradient_clipping\":null,\"batch_size\":64,\"epochs\":3,\"schedule\":\"cosine\",\"final_ratio\":0.01,\"warmup\":0.0,\"drops\":3,\"patience\":0.2},\"seed\":590566679,\"test\":0.5763857}}"');
INSERT INTO "study_user_attributes" VALUES(10,1,'confirmation_seconds','1.857');
INSERT INTO "study_user_attributes" VALUES(11,1,'audit','"{\"study\":\"small\",\"metric\":\"val_loss\",\"direction\":\"minimize\",\"base\":{\"depth\":1,\"width\":64,\"activation\":\"relu\",\"batch_normalization\":true,\"normalization_batch_size\":null,\"dropout\":0.2,\"label_smoothing\":0.0,\"optimizer\":\"adamw\",\"learning_rate\":0.025,\"momentum\":0.9,\"weight_decay\":0.041666666666666664,\"gradient_clipping\":null,\"batch_size\":64,\"epochs\":3,\"schedule\":\"cosine\",\"final_ratio\":0.01,\"warmup\":0.0,\"drops\":3,\"patience\":0.2},\"origin\":\"trial 3\",\"facts\":{\"n_inputs\":13,\"n_outputs\":3,\"n_rows\":113,\"task\":\"classification\"},\"n_pairs\":2,\"seed\":0,\"deviation\":0.013304426220059253,\"tolerance\":0.0,\"findings\":[{\"rule\":\"S7\",\"name\":\"no dropout with BN\",\"claim\":\"With batch normalization dropout is not needed.\",\"kind\":\"enough\",\"ours\":\"BN without dropout (rate 0.062)\",\"theirs\":\"BN with dropout (rate 0.025)\",\"unit\":\"val_loss\",\"effect\":0.096716375,\"low\":0.0420759,\"high\":0.15135685,\"deviations\":7.26948861982334,\"margin\":0.013304426220059253,\"p\":0.5,\"adjusted_p\":0.5,\"n_pairs\":2,\"verdict\":\"inconclusive\",\"remark\":\"\"}],\"rate_range\":null,\"n_trainings\":60,\"seconds\":1.6875385960011045}"');
CREATE TABLE trial_heartbeats (
	trial_heartbeat_id INTEGER NOT NULL, 
	trial_id INTEGER NOT NULL, 
	heartbeat DATETIME NOT NULL, 
	PRIMARY KEY (trial_heartbeat_id), 
	UNIQUE (trial_id), 
	FOREIGN KEY(trial_id) REFERENCES trials (trial_id)
);
CREATE TABLE trial_intermediate_values (
	trial_intermediate_value_id INTEGER NOT NULL, 
	trial_id INTEGER NOT NULL, 
	step INTEGER NOT NULL, 
	intermediate_value FLOAT, 
	intermediate_value_type VARCHAR(7) NOT NULL, 
	PRIMARY KEY (trial_intermediate_value_id), 
	UNIQUE (trial_id, step), 
	FOREIGN KEY(trial_id) REFERENCES trials (trial_id)
);
INSERT INTO "trial_intermediate_values" VALUES(1,1,1,0.9574869,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(2,1,2,0.8009776,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(3,1,3,0.7534715,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(4,2,1,1.245308,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(5,4,1,0.9791906,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(6,5,1,1.565553,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(7,3,1,1.147472,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(8,6,1,1.821497,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(9,2,2,1.025111,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(10,4,2,0.837034,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(11,5,2,1.152925,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(12,3,2,0.9442153,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(13,6,2,1.721027,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(14,2,3,1.002012,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(15,4,3,0.810186,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(16,5,3,0.9540201,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(17,3,3,0.8773055,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(18,6,3,1.680725,'FINITE');
CREATE TABLE trial_params (
	param_id INTEGER NOT NULL, 
	trial_id INTEGER, 
	param_name VARCHAR(512), 
	param_value FLOAT, 
	distribution_json TEXT, 
	PRIMARY KEY (param_id), 
	UNIQUE (trial_id, param_name), 
	FOREIGN KEY(trial_id) REFERENCES trials (trial_id)
);
INSERT INTO "trial_params" VALUES(1,1,'depth',2.0,'{"name": "IntDistribution", "attributes": {"log": false, "step": 1, "low": 1, "high": 2}}');
INSERT INTO "trial_params" VALUES(2,1,'width_ratio',5.33333333333333303727e+00,'{"name": "FloatDistribution", "attributes": {"step": null, "low": 0.3333333333333333, "high": 5.333333333333333, "log": true}}');
INSERT INTO "trial_params" VALUES(3,1,'activation',0.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["relu", "gelu", "silu"]}}');
INSERT INTO "trial_params" VALUES(4,1,'batch_normalization',0.0,'{"name": "CategoricalDistribution", "attributes": {"choices": [true, false]}}');
INSERT INTO "trial_params" VALUES(5,1,'dropout',0.1,'{"name": "FloatDistribution", "attributes": {"step": null, "low": 0.0, "high": 0.5, "log": false}}');
INSERT INTO "trial_params" VALUES(6,1,'optimizer',0.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["adamw", "sgd"]}}');
INSERT INTO "trial_params" VALUES(7,1,'base_learning_rate',0.004,'{"name": "FloatDistribution", "attributes": {"step": null, "low": 0.0001, "high": 0.03, "log": true}}');
INSERT INTO "trial_params" VALUES(8,1,'total_decay',0.001,'{"name": "FloatDistribution", "attributes": {"step": null, "low": 0.001, "high": 10.0, "log": true}}');
INSERT INTO "trial_params" VALUES(9,1,'batch_size',2.0,'{"name": "CategoricalDistribution", "attributes": {"choices": [32, 64, 128]}}');
INSERT INTO "trial_params" VALUES(10,1,'schedule',6.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["constant", "lambda", "step", "multistep", "exponential", "plateau", "cosine", "onecycle"]}}');
INSERT INTO "trial_params" VALUES(11,1,'final_ratio',0.01,'{"name": "FloatDistribution", "attributes": {"step": null, "low": 0.001, "high": 1.0, "log": true}}');
INSERT INTO "trial_params" VALUES(12,2,'depth',2.0,'{"name": "IntDistribution", "attributes": {"log": false, "step": 1, "low": 1, "high": 2}}');
INSERT INTO "trial_params" VALUES(13,2,'width_ratio',5.33333333333333303727e+00,'{"name": "FloatDistribution", "attributes": {"step": null, "low": 0.3333333333333333, "high": 5.333333333333333, "log": true}}');
INSERT INTO "trial_params" VALUES(14,2,'activation',1.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["relu", "gelu", "silu"]}}');
INSERT INTO "trial_params" VALUES(15,2,'batch_normalization',1.0,'{"name": "CategoricalDistribution", "attributes": {"choices": [true, false]}}');
INSERT INTO "trial_params" VALUES(16,2,'dropout',0.1,'{"name": "FloatDistribution", "attributes": {"step": null, "low": 0.0, "high": 0.5, "log": false}}');
INSERT INTO "trial_params" VALUES(17,2,'optimizer',0.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["adamw", "sgd"]}}');
INSERT INTO "trial_params" VALUES(18,2,'base_learning_rate',0.00282842712474619,'{"name": "FloatDistribution", "attributes": {"step": null, "low": 0.0001, "high": 0.03, "log": true}}');
INSERT INTO "trial_params" VALUES(19,2,'total_decay',0.001,'{"name": "FloatDistribution", "attributes": {"step": null, "low": 0.001, "high": 10.0, "log": true}}');
INSERT INTO "trial_params" VALUES(20,2,'batch_size',1.0,'{"name": "CategoricalDistribution", "attributes": {"choices": [32, 64, 128]}}');
INSERT INTO "trial_params" VALUES(21,2,'schedule',7.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["constant", "lambda", "step", "multistep", "exponential", "plateau", "cosine", "onecycle"]}}');
INSERT INTO "trial_params" VALUES(22,2,'final_ratio',0.01,'{"name": "FloatDistribution", "attributes": {"step": null, "low": 0.001, "high": 1.0, "log": true}}');
INSERT INTO "trial_params" VALUES(23,3,'depth',2.0,'{"name": "IntDistribution", "attributes": {"log": false, "step": 1, "low": 1, "high": 2}}');
INSERT INTO "trial_params" VALUES(24,3,'width_ratio',5.33333333333333303727e+00,'{"name": "FloatDistribution", "attributes": {"step": null, "low": 0.3333333333333333, "high": 5.333333333333333, "log": true}}');
INSERT INTO "trial_params" VALUES(25,3,'activation',0.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["relu", "gelu", "silu"]}}');
INSERT INTO "trial_params" VALUES(26,3,'batch_normalization',0.0,'{"name": "CategoricalDistribution", "attributes": {"choices": [true, false]}}');
INSERT INTO "trial_params" VALUES(27,3,'dropout',0.2,'{"name": "FloatDistribution", "attributes": {"step": null, "low": 0.0, "high": 0.5, "log": false}}');
INSERT INTO "trial_params" VALUES(28,3,'optimizer',0.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["adamw", "sgd"]}}');
INSERT INTO "trial_params" VALUES(29,3,'base_learning_rate',0.003,'{"name": "FloatDistribution", "attributes": {"step": null, "low": 0.0001, "high": 0.03, "log": true}}');
INSERT INTO "trial_params" VALUES(30,3,'total_decay',0.001,'{"name": "FloatDistribution", "attributes": {"step": null, "low": 0.001, "high": 10.0, "log": true}}');
INSERT INTO "trial_params" VALUES(31,3,'batch_size',2.0,'{"name": "CategoricalDistribution", "attributes": {"choices": [32, 64, 128]}}');
INSERT INTO "trial_params" VALUES(32,3,'schedule',6.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["constant", "lambda", "step", "multistep", "exponential", "plateau", "cosine", "onecycle"]}}');
INSERT INTO "trial_params" VALUES(33,3,'final_ratio',0.01,'{"name": "FloatDistribution", "attributes": {"step": null, "low": 0.001, "high": 1.0, "log": true}}');
INSERT INTO "trial_params" VALUES(34,4,'depth',1.0,'{"name": "IntDistribution", "attributes": {"log": false, "step": 1, "low": 1, "high": 2}}');
INSERT INTO "trial_params" VALUES(35,4,'width_ratio',5.33333333333333303727e+00,'{"name": "FloatDistribution", "attributes": {"step": null, "low": 0.3333333333333333, "high": 5.333333333333333, "log": true}}');
INSERT INTO "trial_params" VALUES(36,4,'activation',0.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["relu", "gelu", "silu"]}}');
INSERT INTO "trial_params" VALUES(37,4,'batch_normalization',0.0,'{"name": "CategoricalDistribution", "attributes": {"choices": [true, false]}}');
INSERT INTO "trial_params" VALUES(38,4,'dropout',0.2,'{"name": "FloatDistribution", "attributes": {"step": null, "low": 0.0, "high": 0.5, "log": false}}');
INSERT INTO "trial_params" VALUES(39,4,'optimizer',0.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["adamw", "sgd"]}}');
INSERT INTO "trial_params" VALUES(40,4,'base_learning_rate',0.00565685424949238,'{"name": "FloatDistribution", "attributes": {"step": null, "low": 0.0001, "high": 0.03, "log": true}}');
INSERT INTO "trial_params" VALUES(41,4,'total_decay',0.001,'{"name": "FloatDistribution", "attributes": {"step": null, "low": 0.001, "high": 10.0, "log": true}}');
INSERT INTO "trial_params" VALUES(42,4,'batch_size',1.0,'{"name": "CategoricalDistribution", "attributes": {"choices": [32, 64, 128]}}');
INSERT INTO "trial_params" VALUES(43,4,'schedule',6.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["constant", "lambda", "step", "multistep", "exponential", "plateau", "cosine", "onecycle"]}}');
INSERT INTO "trial_params" VALUES(44,4,'final_ratio',0.01,'{"name": "FloatDistribution", "attributes": {"step": null, "low": 0.001, "high": 1.0, "log": true}}');
INSERT INTO "trial_params" VALUES(45,5,'depth',2.0,'{"name": "IntDistribution", "attributes": {"log": false, "step": 1, "low": 1, "high": 2}}');
INSERT INTO "trial_params" VALUES(46,5,'width_ratio',2.4213220261471,'{"name": "FloatDistribution", "attributes": {"step": null, "low": 0.3333333333333333, "high": 5.333333333333333, "log": true}}');
INSERT INTO "trial_params" VALUES(47,5,'activation',0.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["relu", "gelu", "silu"]}}');
INSERT INTO "trial_params" VALUES(48,5,'batch_normalization',0.0,'{"name": "CategoricalDistribution", "attributes": {"choices": [true, false]}}');
INSERT INTO "trial_params" VALUES(49,5,'dropout',4.45886500391039886093e-01,'{"name": "FloatDistribution", "attributes": {"step": null, "low": 0.0, "high": 0.5, "log": false}}');
INSERT INTO "trial_params" VALUES(50,5,'optimizer',0.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["adamw", "sgd"]}}');
INSERT INTO "trial_params" VALUES(51,5,'base_learning_rate',9.14532028294653444311e-03,'{"name": "FloatDistribution", "attributes": {"step": null, "low": 0.0001, "high": 0.03, "log": true}}');
INSERT INTO "trial_params" VALUES(52,5,'total_decay',1.30490735503623972446e-01,'{"name": "FloatDistribution", "attributes": {"step": null, "low": 0.001, "high": 10.0, "log": true}}');
INSERT INTO "trial_params" VALUES(53,5,'batch_size',1.0,'{"name": "CategoricalDistribution", "attributes": {"choices": [32, 64, 128]}}');
INSERT INTO "trial_params" VALUES(54,5,'schedule',5.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["constant", "lambda", "step", "multistep", "exponential", "plateau", "cosine", "onecycle"]}}');
INSERT INTO "trial_params" VALUES(55,5,'final_ratio',2.19577344653945571995e-01,'{"name": "FloatDistribution", "attributes": {"step": null, "low": 0.001, "high": 1.0, "log": true}}');
INSERT INTO "trial_params" VALUES(56,6,'depth',1.0,'{"name": "IntDistribution", "attributes": {"log": false, "step": 1, "low": 1, "high": 2}}');
INSERT INTO "trial_params" VALUES(57,6,'width_ratio',1.96526189863628242271e+00,'{"name": "FloatDistribution", "attributes": {"step": null, "low": 0.3333333333333333, "high": 5.333333333333333, "log": true}}');
INSERT INTO "trial_params" VALUES(58,6,'activation',1.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["relu", "gelu", "silu"]}}');
INSERT INTO "trial_params" VALUES(59,6,'batch_normalization',0.0,'{"name": "CategoricalDistribution", "attributes": {"choices": [true, false]}}');
INSERT INTO "trial_params" VALUES(60,6,'dropout',3.87116844717108332663e-01,'{"name": "FloatDistribution", "attributes": {"step": null, "low": 0.0, "high": 0.5, "log": false}}');
INSERT INTO "trial_params" VALUES(61,6,'optimizer',1.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["adamw", "sgd"]}}');
INSERT INTO "trial_params" VALUES(62,6,'base_learning_rate',1.11312673577439560142e-04,'{"name": "FloatDistribution", "attributes": {"step": null, "low": 0.0001, "high": 0.03, "log": true}}');
INSERT INTO "trial_params" VALUES(63,6,'total_decay',2.95489455872668504987e-01,'{"name": "FloatDistribution", "attributes": {"step": null, "low": 0.001, "high": 10.0, "log": true}}');
INSERT INTO "trial_params" VALUES(64,6,'batch_size',2.0,'{"name": "CategoricalDistribution", "attributes": {"choices": [32, 64, 128]}}');
INSERT INTO "trial_params" VALUES(65,6,'schedule',3.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["constant", "lambda", "step", "multistep", "exponential", "plateau", "cosine", "onecycle"]}}');
INSERT INTO "trial_params" VALUES(66,6,'final_ratio',0.0024365700014642,'{"name": "FloatDistribution", "attributes": {"step": null, "low": 0.001, "high": 1.0, "log": true}}');
CREATE TABLE trial_system_attributes (
	trial_system_attribute_id INTEGER NOT NULL, 
	trial_id INTEGER, 
	"key" VARCHAR(512), 
	value_json TEXT, 
	PRIMARY KEY (trial_system_attribute_id), 
	UNIQUE (trial_id, "key"), 
	FOREIGN KEY(trial_id) REFERENCES trials (trial_id)
);
INSERT INTO "trial_system_attributes" VALUES(1,1,'fixed_params','{"depth": 2, "width_ratio": 5.333333333333333, "activation": "relu", "batch_normalization": true, "dropout": 0.1, "optimizer": "adamw", "total_decay": 0.001, "batch_size": 128, "schedule": "cosine", "final_ratio": 0.01, "base_learning_rate": 0.004}');
INSERT INTO "trial_system_attributes" VALUES(2,2,'fixed_params','{"depth": 2, "width_ratio": 5.333333333333333, "activation": "gelu", "batch_normalization": false, "dropout": 0.1, "optimizer": "adamw", "total_decay": 0.001, "batch_size": 64, "schedule": "onecycle", "final_ratio": 0.01, "base_learning_rate": 0.00282842712474619}');
INSERT INTO "trial_system_attributes" VALUES(3,3,'fixed_params','{"depth": 2, "width_ratio": 5.333333333333333, "activation": "relu", "batch_normalization": true, "dropout": 0.2, "optimizer": "adamw", "total_decay": 0.001, "batch_size": 128, "schedule": "cosine", "final_ratio": 0.01, "base_learning_rate": 0.003}');
INSERT INTO "trial_system_attributes" VALUES(4,4,'fixed_params','{"depth": 1, "width_ratio": 5.333333333333333, "activation": "relu", "batch_normalization": true, "dropout": 0.2, "optimizer": "adamw", "total_decay": 0.001, "batch_size": 64, "schedule": "cosine", "final_ratio": 0.01, "base_learning_rate": 0.00565685424949238}');
CREATE TABLE trial_user_attributes (
	trial_user_attribute_id INTEGER NOT NULL, 
	trial_id INTEGER, 
	"key" VARCHAR(512), 
	value_json TEXT, 
	PRIMARY KEY (trial_user_attribute_id), 
	UNIQUE (trial_id, "key"), 
	FOREIGN KEY(trial_id) REFERENCES trials (trial_id)
);
INSERT INTO "trial_user_attributes" VALUES(1,1,'source','"modern default"');
INSERT INTO "trial_user_attributes" VALUES(2,2,'source','"without normalization"');
INSERT INTO "trial_user_attributes" VALUES(3,3,'source','"wide"');
INSERT INTO "trial_user_attributes" VALUES(4,4,'source','"shallow"');
INSERT INTO "trial_user_attributes" VALUES(5,1,'width','64');
INSERT INTO "trial_user_attributes" VALUES(6,1,'learning_rate','0.004');
INSERT INTO "trial_user_attributes" VALUES(7,1,'n_parameters','5379');
INSERT INTO "trial_user_attributes" VALUES(8,1,'seed','1');
INSERT INTO "trial_user_attributes" VALUES(9,1,'shuffle_seed','0');
INSERT INTO "trial_user_attributes" VALUES(10,1,'config','"{\"depth\":2,\"width\":64,\"activation\":\"relu\",\"batch_normalization\":true,\"normalization_batch_size\":null,\"dropout\":0.1,\"label_smoothing\":0.0,\"optimizer\":\"adamw\",\"learning_rate\":0.004,\"momentum\":0.9,\"weight_decay\":0.08333333333333333,\"gradient_clipping\":null,\"batch_size\":128,\"epochs\":3,\"schedule\":\"cosine\",\"final_ratio\":0.01,\"warmup\":0.0,\"drops\":3,\"patience\":0.2}"');
INSERT INTO "trial_user_attributes" VALUES(11,1,'first_shuffle','0');
INSERT INTO "trial_user_attributes" VALUES(12,1,'epoch_seconds','0.0649');
INSERT INTO "trial_user_attributes" VALUES(13,1,'train_loss','0.88207');
INSERT INTO "trial_user_attributes" VALUES(14,1,'val_accuracy','0.6206896');
INSERT INTO "trial_user_attributes" VALUES(15,2,'width','64');
INSERT INTO "trial_user_attributes" VALUES(16,2,'learning_rate','0.002');
INSERT INTO "trial_user_attributes" VALUES(17,2,'n_parameters','5251');
INSERT INTO "trial_user_attributes" VALUES(18,2,'seed','7920');
INSERT INTO "trial_user_attributes" VALUES(19,2,'shuffle_seed','0');
INSERT INTO "trial_user_attributes" VALUES(20,2,'config','"{\"depth\":2,\"width\":64,\"activation\":\"gelu\",\"batch_normalization\":false,\"normalization_batch_size\":null,\"dropout\":0.1,\"label_smoothing\":0.0,\"optimizer\":\"adamw\",\"learning_rate\":0.002,\"momentum\":0.9,\"weight_decay\":0.08333333333333333,\"gradient_clipping\":null,\"batch_size\":64,\"epochs\":3,\"schedule\":\"onecycle\",\"final_ratio\":0.01,\"warmup\":0.0,\"drops\":3,\"patience\":0.2}"');
INSERT INTO "trial_user_attributes" VALUES(21,3,'width','64');
INSERT INTO "trial_user_attributes" VALUES(22,3,'learning_rate','0.003');
INSERT INTO "trial_user_attributes" VALUES(23,3,'n_parameters','5379');
INSERT INTO "trial_user_attributes" VALUES(24,3,'seed','15839');
INSERT INTO "trial_user_attributes" VALUES(25,3,'shuffle_seed','0');
INSERT INTO "trial_user_attributes" VALUES(26,3,'config','"{\"depth\":2,\"width\":64,\"activation\":\"relu\",\"batch_normalization\":true,\"normalization_batch_size\":null,\"dropout\":0.2,\"label_smoothing\":0.0,\"optimizer\":\"adamw\",\"learning_rate\":0.003,\"momentum\":0.9,\"weight_decay\":0.1111111111111111,\"gradient_clipping\":null,\"batch_size\":128,\"epochs\":3,\"schedule\":\"cosine\",\"final_ratio\":0.01,\"warmup\":0.0,\"drops\":3,\"patience\":0.2}"');
INSERT INTO "trial_user_attributes" VALUES(27,4,'width','64');
INSERT INTO "trial_user_attributes" VALUES(28,4,'learning_rate','0.004');
INSERT INTO "trial_user_attributes" VALUES(29,4,'n_parameters','1155');
INSERT INTO "trial_user_attributes" VALUES(30,4,'seed','23758');
INSERT INTO "trial_user_attributes" VALUES(31,4,'shuffle_seed','0');
INSERT INTO "trial_user_attributes" VALUES(32,4,'config','"{\"depth\":1,\"width\":64,\"activation\":\"relu\",\"batch_normalization\":true,\"normalization_batch_size\":null,\"dropout\":0.2,\"label_smoothing\":0.0,\"optimizer\":\"adamw\",\"learning_rate\":0.004,\"momentum\":0.9,\"weight_decay\":0.041666666666666664,\"gradient_clipping\":null,\"batch_size\":64,\"epochs\":3,\"schedule\":\"cosine\",\"final_ratio\":0.01,\"warmup\":0.0,\"drops\":3,\"patience\":0.2}"');
INSERT INTO "trial_user_attributes" VALUES(33,5,'width','29');
INSERT INTO "trial_user_attributes" VALUES(34,5,'learning_rate','0.00646671798819437');
INSERT INTO "trial_user_attributes" VALUES(35,5,'n_parameters','1424');
INSERT INTO "trial_user_attributes" VALUES(36,5,'seed','31677');
INSERT INTO "trial_user_attributes" VALUES(37,5,'shuffle_seed','0');
INSERT INTO "trial_user_attributes" VALUES(38,5,'source','"sampler"');
INSERT INTO "trial_user_attributes" VALUES(39,5,'config','"{\"depth\":2,\"width\":29,\"activation\":\"relu\",\"batch_normalization\":true,\"normalization_batch_size\":null,\"dropout\":0.4458865003910399,\"label_smoothing\":0.0,\"optimizer\":\"adamw\",\"learning_rate\":0.00646671798819437,\"momentum\":0.9,\"weight_decay\":3.3631365952519667,\"gradient_clipping\":null,\"batch_size\":64,\"epochs\":3,\"schedule\":\"plateau\",\"final_ratio\":0.21957734465394557,\"warmup\":0.0,\"drops\":3,\"patience\":0.2}"');
INSERT INTO "trial_user_attributes" VALUES(40,6,'width','24');
INSERT INTO "trial_user_attributes" VALUES(41,6,'learning_rate','0.0011131267357743957');
INSERT INTO "trial_user_attributes" VALUES(42,6,'n_parameters','435');
INSERT INTO "trial_user_attributes" VALUES(43,6,'seed','39596');
INSERT INTO "trial_user_attributes" VALUES(44,6,'shuffle_seed','0');
INSERT INTO "trial_user_attributes" VALUES(45,6,'source','"sampler"');
INSERT INTO "trial_user_attributes" VALUES(46,6,'config','"{\"depth\":1,\"width\":24,\"activation\":\"gelu\",\"batch_normalization\":true,\"normalization_batch_size\":null,\"dropout\":0.38711684471710833,\"label_smoothing\":0.0,\"optimizer\":\"sgd\",\"learning_rate\":0.0011131267357743957,\"momentum\":0.9,\"weight_decay\":8.848631707903957,\"gradient_clipping\":null,\"batch_size\":128,\"epochs\":3,\"schedule\":\"multistep\",\"final_ratio\":0.0024365700014642,\"warmup\":0.0,\"drops\":3,\"patience\":0.2}"');
INSERT INTO "trial_user_attributes" VALUES(47,2,'first_shuffle','0');
INSERT INTO "trial_user_attributes" VALUES(48,4,'first_shuffle','0');
INSERT INTO "trial_user_attributes" VALUES(49,5,'first_shuffle','0');
INSERT INTO "trial_user_attributes" VALUES(50,3,'first_shuffle','3');
INSERT INTO "trial_user_attributes" VALUES(51,6,'first_shuffle','3');
INSERT INTO "trial_user_attributes" VALUES(52,2,'epoch_seconds','0.0512');
INSERT INTO "trial_user_attributes" VALUES(53,2,'train_loss','1.044692');
INSERT INTO "trial_user_attributes" VALUES(54,2,'val_accuracy','0.5172414');
INSERT INTO "trial_user_attributes" VALUES(55,4,'epoch_seconds','0.0616');
INSERT INTO "trial_user_attributes" VALUES(56,4,'train_loss','0.8959248');
INSERT INTO "trial_user_attributes" VALUES(57,4,'val_accuracy','0.5172414');
INSERT INTO "trial_user_attributes" VALUES(58,5,'epoch_seconds','0.0711');
INSERT INTO "trial_user_attributes" VALUES(59,5,'train_loss','1.021917');
INSERT INTO "trial_user_attributes" VALUES(60,5,'val_accuracy','0.6896552');
INSERT INTO "trial_user_attributes" VALUES(61,3,'epoch_seconds','0.08');
INSERT INTO "trial_user_attributes" VALUES(62,3,'train_loss','0.8640229');
INSERT INTO "trial_user_attributes" VALUES(63,3,'val_accuracy','0.4827586');
INSERT INTO "trial_user_attributes" VALUES(64,6,'epoch_seconds','0.0885');
INSERT INTO "trial_user_attributes" VALUES(65,6,'train_loss','1.579157');
INSERT INTO "trial_user_attributes" VALUES(66,6,'val_accuracy','0.2413793');
CREATE TABLE trial_values (
	trial_value_id INTEGER NOT NULL, 
	trial_id INTEGER NOT NULL, 
	objective INTEGER NOT NULL, 
	value FLOAT, 
	value_type VARCHAR(7) NOT NULL, 
	PRIMARY KEY (trial_value_id), 
	UNIQUE (trial_id, objective), 
	FOREIGN KEY(trial_id) REFERENCES trials (trial_id)
);
INSERT INTO "trial_values" VALUES(1,1,0,0.7534715,'FINITE');
INSERT INTO "trial_values" VALUES(2,2,0,1.002012,'FINITE');
INSERT INTO "trial_values" VALUES(3,4,0,0.810186,'FINITE');
INSERT INTO "trial_values" VALUES(4,5,0,0.9540201,'FINITE');
INSERT INTO "trial_values" VALUES(5,3,0,0.8773055,'FINITE');
INSERT INTO "trial_values" VALUES(6,6,0,1.680725,'FINITE');
CREATE TABLE trials (
	trial_id INTEGER NOT NULL, 
	number INTEGER, 
	study_id INTEGER, 
	state VARCHAR(8) NOT NULL, 
	datetime_start DATETIME, 
	datetime_complete DATETIME, 
	PRIMARY KEY (trial_id), 
	FOREIGN KEY(study_id) REFERENCES studies (study_id)
);
INSERT INTO "trials" VALUES(1,0,1,'COMPLETE','2026-11-26 13:21:44.328334','2026-11-26 13:21:44.581684');
INSERT INTO "trials" VALUES(2,1,1,'COMPLETE','2026-11-26 13:21:45.161746','2026-11-26 13:21:45.411368');
INSERT INTO "trials" VALUES(3,2,1,'COMPLETE','2026-11-26 13:21:45.173519','2026-11-26 13:21:45.468324');
INSERT INTO "trials" VALUES(4,3,1,'COMPLETE','2026-11-26 13:21:45.183328','2026-11-26 13:21:45.432732');
INSERT INTO "trials" VALUES(5,4,1,'COMPLETE','2026-11-26 13:21:45.192785','2026-11-26 13:21:45.451061');
INSERT INTO "trials" VALUES(6,5,1,'COMPLETE','2026-11-26 13:21:45.212138','2026-11-26 13:21:45.485010');
CREATE TABLE version_info (
	version_info_id INTEGER NOT NULL, 
	schema_version INTEGER, 
	library_version VARCHAR(256), 
	PRIMARY KEY (version_info_id), 
	CHECK (version_info_id=1)
);
INSERT INTO "version_info" VALUES(1,12,'5.0.0');
CREATE UNIQUE INDEX ix_studies_study_name ON studies (study_name);
CREATE INDEX ix_trials_study_id ON trials (study_id);
COMMIT;
